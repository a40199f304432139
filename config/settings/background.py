"""When work of the background runs, and whether the machine may sleep meanwhile."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.hours import Hours
from config.settings.group import Group


def checked_hours(text: str) -> str:
    """The text as it is. Raises ValueError where it says no hours; empty: at any time."""
    if text:
        Hours.parse(text)
    return text


class BackgroundSettings(Group):
    """When work of the background runs, and whether the machine may sleep meanwhile."""

    background_hours: Annotated[str, AfterValidator(checked_hours)] = Field(
        default="",
        description="Hours of the day, in local time, in which background jobs start, such as `22-7` or "
        "`mon-fri 20-8, sat-sun 0-24`; empty: at any time.",
    )
    background_on_ac_power: bool = Field(
        default=False, description="Start background jobs only while the Mac is on AC power."
    )
    background_idle_minutes: int = Field(
        default=0,
        ge=0,
        le=1440,
        description="Start background jobs only when nobody has used keyboard, mouse or screen for so many minutes; "
        "`0`: in any case.",
    )
    background_screen_off: bool = Field(
        default=False, description="Start background jobs only while the screen is off or locked."
    )
    background_heat: Literal["off", "fair", "serious", "critical"] = Field(
        default="off",
        description="Start no background jobs while the Mac's thermal pressure is this or higher, and slow down "
        "those that run; `off`: in any case.",
    )
    background_running: Literal["finish", "requeue"] = Field(
        default="finish",
        description="What becomes of running background jobs when no more may start: they end, or go back to their "
        "queue and begin again later.",
    )
    keep_awake: bool = Field(default=True, description="Keep the Mac from going to sleep while jobs run.")
