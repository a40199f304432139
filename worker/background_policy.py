"""When jobs of the background may start: what the settings want of the clock and of the machine.

This module knows conditions, each alone, and how to say what is waited for. It does not know jobs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from config.hours import Hours, show
from jobs.live_settings import LiveSettings
from jobs.worker_state import Rest, RestReason
from worker.machine import Heat, Machine

_HEATS = {"fair": Heat.FAIR, "serious": Heat.SERIOUS, "critical": Heat.CRITICAL}


class Wait(NamedTuple):
    """A condition that is not met: `until` when, in words, and the earliest Unix second if it is known."""

    reason: RestReason
    until: str
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`waits`: conditions that are not met. `untold`: those of which the machine does not tell; they count as met."""

    waits: tuple[Wait, ...] = ()
    untold: tuple[RestReason, ...] = ()

    def rest(self, since: float) -> Rest | None:
        """What is published of it."""
        if not self.waits:
            return None
        times = [wait.at for wait in self.waits if wait.at is not None]
        return Rest(
            tuple(wait.reason for wait in self.waits),
            "background work waits until " + " and until ".join(wait.until for wait in self.waits),
            since,
            max(times) if len(times) == len(self.waits) else None,
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """The conditions; by default there are none."""

    hours: Hours | None = None
    on_ac_power: bool = False
    idle_minutes: int = 0
    screen_off: bool = False
    heat: Heat | None = None

    @classmethod
    def of(cls, live: LiveSettings) -> "Policy":
        return cls(
            Hours.parse(live.background_hours) if live.background_hours else None,
            live.background_on_ac_power,
            live.background_idle_minutes,
            live.background_screen_off,
            _HEATS.get(live.background_heat),
        )

    def judge(self, machine: Machine, now: float) -> Verdict:
        """Asks the machine only what there are conditions for. `now`: Unix seconds."""
        found = list(self._look(machine, now))
        return Verdict(
            tuple(each for each in found if isinstance(each, Wait)),
            tuple(each for each in found if isinstance(each, str)),
        )

    def _look(self, machine: Machine, now: float) -> Iterator[Wait | RestReason]:
        """What is not met, and the names of what the machine does not tell."""
        if self.hours is not None and not self.hours.contain(now):
            start = self.hours.next_start(now)
            yield Wait("hours", show(start, now), start)
        if self.on_ac_power:
            powered = machine.on_ac_power()
            if powered is None:
                yield "power"
            elif not powered:
                yield Wait("power", f"{machine.name} is on AC power")
        if self.idle_minutes:
            idle, wanted = machine.idle_seconds(), 60 * self.idle_minutes
            if idle is None:
                yield "idle"
            elif idle < wanted:
                minutes = f"{self.idle_minutes} minute{'s' * (self.idle_minutes > 1)}"
                yield Wait("idle", f"nobody has used {machine.name} for {minutes}", now + wanted - idle)
        if self.screen_off:
            off = machine.screen_off()
            if off is None:
                yield "screen"
            elif not off:
                yield Wait("screen", "the screen is off or locked")
        if self.heat is not None:
            heat = machine.heat()
            if heat is None:
                yield "heat"
            elif heat >= self.heat:
                yield Wait("heat", f"{machine.name} has cooled down")
