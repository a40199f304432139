"""Drives batches, and what their routes have in common in all dialects.

A batch's requests pass the same functions as those of clients: what makes their jobs, and what writes the answers.
"""
