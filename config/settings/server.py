"""Where the server listens, where its data lie and which Redis it uses."""

from pathlib import Path
from urllib.parse import quote, urlsplit

from pydantic import AliasChoices, Field, field_validator

from config import early
from config.settings.group import Group
from config.values import Directory

REDIS_SCHEMES = ("redis", "rediss", "unix")


class ServerSettings(Group):
    """Where the server listens, where its data lie and which Redis it uses."""

    host: str = Field(
        default="127.0.0.1",
        validation_alias=AliasChoices("HOST", "MLX_GUI_HOST"),
        description="Address the API listens on; `0.0.0.0` for the whole network (then set `API_KEYS`).",
    )
    port: int = Field(
        default=8080,
        validation_alias=AliasChoices("PORT", "MLX_GUI_PORT"),
        ge=0,
        le=65535,
        description="Port the API listens on; `0` takes a free one.",
    )
    ollama_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Second port that the API listens on, for clients of Ollama that expect `11434`; `0`: none.",
    )
    data_dir: Directory = Field(
        default=Path(early.DATA_DIR),
        validation_alias="MLXQ_DATA_DIR",
        validate_default=True,
        description="Folder of all stored data: Redis' files and socket, audio, images, records.",
    )
    redis_url: str = Field(
        default="",
        repr=False,
        description="Any Redis 6.2 or newer: `redis://`, `rediss://` or `unix://`; empty: the embedded one.",
    )
    redis_maxmemory_mb: int = Field(
        default=early.REDIS_MAXMEMORY_MB,
        ge=32,
        le=1_048_576,
        description="Memory bound of the embedded Redis in MB; jobs are refused well before it is reached.",
    )

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: str) -> str:
        if value and not _is_redis(value):
            raise ValueError("a redis://, rediss:// or unix:// address, or nothing for the embedded Redis")
        return value

    @property
    def redis_socket(self) -> Path:
        """Where the embedded Redis listens."""
        return early.redis_socket(self.data_dir)

    @property
    def redis_address(self) -> str:
        """What redis.from_url() takes. It may hold a password: log `redis_label` instead."""
        return self.redis_url or f"unix://{quote(str(self.redis_socket))}"

    @property
    def redis_label(self) -> str:
        """The address without user, password and query: for logs and error messages."""
        parts = urlsplit(self.redis_address)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def blob_folder(self) -> Path:
        """Where the big inputs of jobs lie. API and worker share it."""
        return self.data_dir / "blobs"

    @property
    def scratch_folder(self) -> Path:
        """Where a process keeps copies of blobs while it uses them."""
        return self.data_dir / "scratch"

    @property
    def step_folder(self) -> Path:
        """Where workers record what their engines work on."""
        return self.data_dir / "steps"

    @property
    def view_folder(self) -> Path:
        """Where the worker keeps what libraries may see of models: links and small files."""
        return self.data_dir / "views"


def _is_redis(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return "://" in address and parts.scheme in REDIS_SCHEMES and parts.port != 0
    except ValueError:
        # The port is no number, or the address of IPv6 is none.
        return False
