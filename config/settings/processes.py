"""Restarts and the log."""

from typing import Literal

from pydantic import AliasChoices, Field, field_validator

from config.settings.group import Group

LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


class ProcessSettings(Group):
    """Restarts and the log."""

    supervise: bool = Field(
        default=True,
        description="Restart the API or the worker when it crashes.",
    )
    access_log: Literal["off", "errors", "all"] = Field(
        default="errors",
        description="Requests that have a line in the log: `all`, those refused or failed (`errors`), or `off`.",
    )
    log_level: str = Field(
        default="info",
        validation_alias=AliasChoices("LOG_LEVEL", "MLX_OMNI_LOG_LEVEL"),
        description="`debug`, `info`, `warning`, `error` or `critical`.",
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _check_log_level(cls, value: object) -> str:
        level = str(value).strip().lower()
        if level not in LOG_LEVELS:
            raise ValueError("one of " + ", ".join(LOG_LEVELS))
        return level
