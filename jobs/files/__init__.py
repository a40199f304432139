"""Stored files: what clients upload to use it later, and what batches write.

A file's bytes are blobs, its parts; its record is in Redis. Parts do not change, so that a file grows by new ones.
"""

from jobs.files.record import Part, StoredFile, new_file_id
from jobs.files.store import FileStore

__all__ = ["FileStore", "Part", "StoredFile", "new_file_id"]
