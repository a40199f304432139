"""Batches: many requests that are answered when there is time, each by a job of its own.

A batch's requests stay in its input file; a few of them at a time are jobs. Its record says how far the file was
read, and which requests were begun and have no outcome yet. An outcome is written to the output, counted, and taken
off the begun ones in one step, so that each request has one outcome whatever dies meanwhile.
"""

from jobs.batches.record import Asked, Batch, BatchProblem, BatchStatus, Begun
from jobs.batches.requests import BatchRequest, Problems, Reader
from jobs.batches.store import BatchStore, Commit, FileGrowth, ForgottenJob, Lost

__all__ = [
    "Asked",
    "Batch",
    "BatchProblem",
    "BatchRequest",
    "BatchStatus",
    "BatchStore",
    "Begun",
    "Commit",
    "FileGrowth",
    "ForgottenJob",
    "Lost",
    "Problems",
    "Reader",
]
