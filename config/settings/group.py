"""What all groups of settings have in common."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class Group(BaseSettings):
    """Immutable. A field is set by the variable of its own name, or by those of its `validation_alias`."""

    model_config = SettingsConfigDict(
        frozen=True,
        env_ignore_empty=True,
        populate_by_name=True,
        extra="ignore",
        hide_input_in_errors=True,
        # Only `Settings`, which has all groups, is ever made.
        defer_build=True,
    )
