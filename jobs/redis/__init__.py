"""Connections to Redis, the permissions and scripts they need, and Redis' clock."""
