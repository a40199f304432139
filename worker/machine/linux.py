"""Linux: the files of /sys and /dev, and `systemd-inhibit`."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from worker.machine.protocol import Heat

#: What a zone's trip point means.
_TRIPS = {"passive": Heat.SERIOUS, "hot": Heat.CRITICAL, "critical": Heat.CRITICAL}


class LinuxMachine:
    """See `Machine`."""

    name = "the machine"

    def __init__(self, sys: Path = Path("/sys"), dev: Path = Path("/dev")) -> None:
        self._sys = sys
        self._dev = dev

    def on_ac_power(self) -> bool | None:
        supplies = [
            folder for folder in self._folders("class/power_supply/*") if _text(folder / "scope") != "Device"
        ]
        mains = [folder for folder in supplies if _text(folder / "type") in ("Mains", "USB")]
        if any(_text(folder / "online") == "1" for folder in mains):
            return True
        batteries = [folder for folder in supplies if _text(folder / "type") == "Battery"]
        return not any(_text(folder / "status") == "Discharging" for folder in batteries)

    def idle_seconds(self) -> float | None:
        """Since the last use of a terminal, as `w` has it, or of an input device."""
        used = []
        for pattern in ("tty[0-9]*", "pts/[0-9]*", "input/event*"):
            for device in self._dev.glob(pattern):
                try:
                    used.append(device.stat().st_atime)
                except OSError:
                    continue
        return max(0.0, time.time() - max(used)) if used else None

    def screen_off(self) -> bool | None:
        """Off if each connected one is; also where none is."""
        connected = [
            folder for folder in self._folders("class/drm/*") if _text(folder / "status") == "connected"
        ]
        return all(_text(folder / "dpms") == "Off" for folder in connected)

    def heat(self) -> Heat | None:
        zones = [(zone, temperature) for zone, temperature in self._temperatures()]
        if not zones:
            return None
        return max(_heat_of(zone, temperature) for zone, temperature in zones)

    def awake_command(self, pid: int) -> Sequence[str]:
        inhibit = ("systemd-inhibit", "--what=sleep:idle", "--who=mlxq", "--why=Jobs run.", "--mode=block")
        return (*inhibit, "tail", f"--pid={pid}", "-f", "/dev/null")

    def _temperatures(self) -> Iterator[tuple[Path, int]]:
        for zone in self._folders("class/thermal/thermal_zone*"):
            temperature = _number(zone / "temp")
            if temperature is not None:
                yield zone, temperature

    def _folders(self, pattern: str) -> list[Path]:
        return sorted(self._sys.glob(pattern))


def _heat_of(zone: Path, temperature: int) -> Heat:
    found = Heat.NOMINAL
    for trip in zone.glob("trip_point_*_temp"):
        limit = _number(trip)
        kind = _text(trip.with_name(trip.name.removesuffix("_temp") + "_type"))
        if limit is not None and 0 < limit <= temperature:
            found = max(found, _TRIPS.get(kind, Heat.NOMINAL))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""


def _number(path: Path) -> int | None:
    try:
        return int(_text(path))
    except ValueError:
        return None
