"""Blobs: bytes that are too large for Redis. Payloads and results name them by id, never by a path.

`BlobStore` is what the API and the workers need of them, `JobBlobs` what an engine needs. `blob_store` and
`job_blobs` open the ones that the settings name.
"""

from config.settings import Settings
from jobs.blobs.ids import MADE, SENT, STORED
from jobs.blobs.local import LocalBlobs
from jobs.blobs.protocol import BlobStat, BlobStore, Draft, JobBlobs
from jobs.blobs.scratch import Scratch
from jobs.blobs.uploads import Uploads
from jobs.session import Session

__all__ = [
    "MADE",
    "SENT",
    "STORED",
    "BlobStat",
    "BlobStore",
    "Draft",
    "JobBlobs",
    "LocalBlobs",
    "Scratch",
    "Uploads",
    "blob_store",
    "job_blobs",
]


def blob_store(settings: Settings) -> BlobStore:
    """The store of this installation: a bucket, or a folder that the API and the workers of one machine share."""
    if settings.blob_url:
        # Who keeps files in a folder needs no library for buckets.
        from jobs.blobs.bucket import S3Blobs

        return S3Blobs(settings.blob_url, Scratch(settings.scratch_folder), settings.disk_limit_bytes)
    return LocalBlobs(settings.blob_folder, settings.disk_limit_bytes)


def job_blobs(settings: Settings) -> JobBlobs:
    """The blobs for the engines of this machine: those of the installation, or of the server that it has joined."""
    session = Session.of(settings)
    if session is None:
        return blob_store(settings)
    from jobs.blobs.door import HttpBlobs

    return HttpBlobs(
        session.base,
        (session.worker, session.token),
        Scratch(settings.scratch_folder),
        session.context(),
        patience=min(60.0, settings.step_timeout / 2),
    )
