"""Requests to addresses that clients named, without giving them access to this machine's networks."""
