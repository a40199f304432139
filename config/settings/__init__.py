"""Every setting of mlxq, read once from the environment.

It knows names, defaults and bounds; it does not know what the settings are used for. No other module reads
environment variables. Own names win; the names of the servers that mlxq replaces are accepted as aliases.
"""

import os
import sys
from pathlib import Path
from typing import NoReturn

from pydantic import AliasChoices, ValidationError
from pydantic_settings import SettingsConfigDict

from config.settings.access import CONTAINER_NAMES, AccessSettings
from config.settings.background import BackgroundSettings
from config.settings.batches import BatchSettings
from config.settings.engines import EngineSettings
from config.settings.hubs import HubSettings
from config.settings.jobs import JobSettings
from config.settings.joining import JoinSettings
from config.settings.media import MediaSettings
from config.settings.models import ModelSettings
from config.settings.places import REPO, hub_home
from config.settings.processes import LOG_LEVELS, ProcessSettings
from config.settings.server import ServerSettings
from config.settings.tracing import TracingSettings
from config.settings.webhooks import WebhookSettings
from config.values import bounds

__all__ = ["CONTAINER_NAMES", "LOG_LEVELS", "REPO", "Settings", "hub_home", "load_settings", "variables"]


# pydantic takes the fields of the last base first: that is the order of the table in docs/settings.md.
class Settings(
    TracingSettings,
    ProcessSettings,
    EngineSettings,
    WebhookSettings,
    BatchSettings,
    BackgroundSettings,
    JobSettings,
    MediaSettings,
    AccessSettings,
    HubSettings,
    ModelSettings,
    JoinSettings,
    ServerSettings,
):
    """Immutable. Entry points call `load_settings()`; tests call the constructor with field names."""

    model_config = SettingsConfigDict(defer_build=False)

    def may_hold_models(self, folder: Path) -> bool:
        """Whether the environment allows that models are kept in this folder: it lies below one that it names."""
        allowed = (self.data_dir, hub_home(), self.hub_cache, *self.model_roots)
        return any(folder.resolve().is_relative_to(place.resolve()) for place in allowed)


def variables(name: str) -> tuple[str, ...]:
    """The environment variables of a setting, the one that wins first."""
    alias = Settings.model_fields[name].validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(map(str, alias.choices))
    return (str(alias or name.upper()),)


def _stop(error: ValidationError) -> NoReturn:
    """One line on stderr for the first wrong setting (variable, value, what is allowed), and exit code 2."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = str(first["loc"][0])
    name = next(key for key in Settings.model_fields if where == key or where in variables(key))
    field = Settings.model_fields[name]
    variable = next((each for each in variables(name) if os.environ.get(each)), variables(name)[0])
    secret = name in (
        "api_keys",
        "admin_keys",
        "redis_url",
        "webhook_secret",
        "webhook_url",
        "join_key",
        "blob_url",
    )
    shown = variable if secret else f"{variable}={os.environ.get(variable, '')!r}"
    allowed = bounds(field) or first["msg"].removeprefix("Value error, ")
    sys.stderr.write(f"mlxq: {shown} is wrong; allowed is {allowed}\n")
    raise SystemExit(2) from None


def load_settings() -> Settings:
    """The settings of this environment. A wrong one ends the process with one line and exit code 2."""
    try:
        return Settings()
    except ValidationError as error:
        _stop(error)
