"""How many jobs may wait, how long they run, and how long they are kept."""

import re
from importlib.util import find_spec
from pathlib import Path

from pydantic import Field, field_validator

from config import early
from config.settings.group import Group
from config.values import Directory, Seconds

_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,62}(/(?!\.{1,2}(/|$))[\w.-]+)*/?", re.ASCII)


class JobSettings(Group):
    """How many jobs may wait, how long they run, and how long they are kept."""

    queue_limit: int = Field(
        default=32,
        ge=1,
        le=100_000,
        description="Jobs that may wait per category; one more is refused with 429.",
    )
    aging_time: Seconds = Field(
        default=300,
        ge=0,
        le=86_400,
        description="How long a job waits for more urgent ones: after that its class has every second start until no "
        "job of it has waited for so long.",
    )
    chat_timeout: Seconds = Field(
        default=300,
        gt=0,
        le=86_400,
        description="Longest time that a chat may make no progress: no token of it is read or made.",
    )
    transcription_timeout: Seconds = Field(
        default=120,
        gt=0,
        le=86_400,
        description="Longest time that a transcription may make no progress.",
    )
    speech_timeout: Seconds = Field(
        default=60,
        gt=0,
        le=86_400,
        description="Longest time that a job for speech may make no progress.",
    )
    image_timeout: Seconds = Field(
        default=600,
        gt=0,
        le=86_400,
        description="Longest time that a job for images may make no progress: no step ends.",
    )
    max_run_time: Seconds = Field(
        default=0,
        ge=0,
        le=31_536_000,
        description="Longest run of a job, whether it makes progress or not. `0`: no limit.",
    )
    load_timeout: Seconds = Field(default=300, gt=0, le=86_400, description="Longest load of a model.")
    linger_time: Seconds = Field(
        default=60,
        ge=0,
        le=3_600,
        description="How long a job whose client has disconnected waits for the same request to come again, and goes "
        "on while nobody else needs its place. `0`: it is cancelled at once.",
    )
    result_ttl: Seconds = Field(
        default=86_400,
        ge=1,
        le=31_536_000,
        description="How long a finished job and its files can be fetched.",
    )
    keep_request_kb: float = Field(
        default=4,
        ge=0,
        le=10_240,
        description="Largest request, in KB, that is kept with its ended job for RQ's tools; larger ones are "
        "deleted. `0`: none is kept.",
    )
    disk_limit_gb: float = Field(
        default=20,
        ge=0,
        le=1_048_576,
        description="Disk space, in GB, for the files of jobs; a request that may need more is refused. `0`: no "
        "limit.",
    )
    blob_url: str = Field(
        default="",
        repr=False,
        description="Bucket of S3 for the files of jobs, such as `s3://bucket/folder`; empty: `blobs/` in "
        "`MLXQ_DATA_DIR`. It needs the extra `s3`; the endpoint and the credentials are those of AWS' own variables.",
    )
    events_ttl: Seconds = Field(
        default=3_600,
        ge=1,
        le=31_536_000,
        description="How long the events of a job can be read again.",
    )
    max_attempts: int = Field(
        default=2,
        ge=1,
        le=100,
        description="Crashes of the worker under a job after which it fails. After the first one it runs alone.",
    )
    usage_prices: Directory = Field(
        default_factory=lambda data: Path(data.get("data_dir", early.DATA_DIR)) / "prices.json",
        description="File of your own prices, by which `/v1/usage` says what a cloud would have asked.",
    )

    @field_validator("blob_url")
    @classmethod
    def _check_blob_url(cls, value: str) -> str:
        if value and not _BUCKET.fullmatch(value):
            raise ValueError("s3://bucket or s3://bucket/folder, or nothing for a folder of this machine")
        if value and find_spec("obstore") is None:
            raise ValueError(
                "nothing: the library for buckets is missing, `pip install 'mlxq[s3]'` brings it"
            )
        return value

    @property
    def disk_limit_bytes(self) -> int:
        return int(self.disk_limit_gb * 1024**3)
