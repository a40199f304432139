"""`/v1/settings`, as MLX-GUI has it."""

from typing import Literal

from typing_extensions import TypedDict

from api.http.bodies.fields import RequestModel
from jobs.live_settings import LiveSettings


class SettingUpdate(RequestModel):
    """What the key's own type does not take is refused later, when the key is known."""

    value: bool | int | float | str | list[str] | None


class SettingChanged(TypedDict):
    key: str
    value: bool | int | float | str | list[str] | None
    updated: Literal[True]


def setting_changed(settings: LiveSettings, key: str) -> SettingChanged:
    return {"key": key, "value": settings.model_dump()[key], "updated": True}
