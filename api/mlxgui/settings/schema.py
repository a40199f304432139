"""`/v1/settings`, as MLX-GUI has it."""

from typing import Any

from api.http.fields import RequestModel
from jobs.live_settings import LiveSettings


class SettingUpdate(RequestModel):
    """What the key's own type does not take is refused later, when the key is known."""

    value: bool | int | float | str | None


def setting_changed(settings: LiveSettings, key: str) -> dict[str, Any]:
    return {"key": key, "value": settings.model_dump()[key], "updated": True}
