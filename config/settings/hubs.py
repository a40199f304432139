"""Where models are fetched from."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator

from config.settings.group import Group
from config.values import Seconds


class HubSettings(Group):
    """Where models are fetched from."""

    auto_download: bool = Field(
        default=True,
        description="Download a model named `org/name` from its hub on first use.",
    )
    model_source: Literal["huggingface", "modelscope"] = Field(
        default="huggingface",
        description="The hub that models are downloaded from: `huggingface` or `modelscope`.",
    )
    downloads: int = Field(
        default=2,
        ge=1,
        le=16,
        description="Models that are downloaded at the same time.",
    )
    downloads_quiet: Seconds = Field(
        default=60,
        gt=0,
        le=86_400,
        description="How long the process that fetches models stays after the last download.",
    )
    hf_endpoint: str = Field(
        default="https://huggingface.co",
        description="Address of the Hugging Face hub, or of a mirror.",
    )
    hf_token: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("HF_TOKEN", "HUGGINGFACE_HUB_TOKEN"),
        description="Token for private and gated models; default: that of `hf auth login`.",
    )
    hf_hub_offline: bool = Field(default=False, description="Send no requests to a hub.")
    modelscope_endpoint: str = Field(
        default="https://www.modelscope.cn",
        validation_alias=AliasChoices("MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN"),
        description="Address of ModelScope.",
    )
    modelscope_token: SecretStr | None = Field(
        default=None,
        validation_alias="MODELSCOPE_API_TOKEN",
        description="Token for private models on ModelScope.",
    )

    @field_validator("hf_endpoint", "modelscope_endpoint")
    @classmethod
    def _check_endpoint(cls, value: str) -> str:
        address = value.rstrip("/") if "://" in value else f"https://{value.rstrip('/')}"
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("an http:// or https:// address")
        return address
