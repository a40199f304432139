"""Blobs: bytes that are too large for Redis. Payloads and results name them by id, never by a path.

`BlobStore` is what the API and the workers need of them; `blob_store` opens the one that the settings name.
"""

from config.settings import Settings
from jobs.blobs.local import LocalBlobs
from jobs.blobs.protocol import MADE, SENT, STORED, BlobStore
from jobs.blobs.uploads import Uploads

__all__ = ["MADE", "SENT", "STORED", "BlobStore", "LocalBlobs", "Uploads", "blob_store"]


def blob_store(settings: Settings) -> BlobStore:
    """The store of this installation: a folder that the API and the workers of one machine share."""
    return LocalBlobs(settings.blob_folder, settings.disk_limit_bytes)
