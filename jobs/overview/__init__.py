"""All jobs that wait and run, read again and again: what has changed since the last look.

It only reads, and what it reads the gate writes anyway: who looks costs nothing while nobody does.
"""

from jobs.overview.overview import Changes, Order, Overview, Running

__all__ = ["Changes", "Order", "Overview", "Running"]
