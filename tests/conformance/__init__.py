"""Answers held against the rules of the APIs."""
