"""How large stored files and batches may be, and how many there may be."""

from pydantic import Field

from config.settings.group import Group


class BatchSettings(Group):
    """How large stored files and batches may be, and how many there may be."""

    max_file_mb: float = Field(
        default=512,
        gt=0,
        le=10_240,
        description="Largest file of `/v1/files`, in MB.",
    )
    max_files: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Files of `/v1/files` that are kept; one more is refused with 507.",
    )
    max_batches: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Batches that may be open at the same time; one more is refused with 429.",
    )
    max_batch_requests: int = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        description="Requests of a batch.",
    )
    max_message_batch_mb: float = Field(
        default=64,
        gt=0,
        le=1_024,
        description="Largest body of `/v1/messages/batches`, in MB.",
    )
    batch_window: int = Field(
        default=16,
        ge=1,
        le=1_000,
        description="Requests of a batch that wait in its queue at the same time; none joins it while as many jobs "
        "as half of `QUEUE_LIMIT` wait.",
    )

    @property
    def max_file_bytes(self) -> int:
        return int(self.max_file_mb * 1024 * 1024)

    @property
    def max_message_batch_bytes(self) -> int:
        return int(self.max_message_batch_mb * 1024 * 1024)
