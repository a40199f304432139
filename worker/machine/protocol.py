"""What a machine can be asked. It knows no operating system, and not what the answers are for."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol


class Heat(IntEnum):
    """Thermal pressure, in the words of Apple's `ProcessInfo.ThermalState`."""

    NOMINAL = 0
    FAIR = 1
    #: it is slowed down
    SERIOUS = 2
    CRITICAL = 3


class Machine(Protocol):
    """Each answer is None where the machine does not tell. Calls may take a second; none raises."""

    #: as it is called in a sentence
    name: str

    def on_ac_power(self) -> bool | None:
        """Whether it runs on the mains; also where it has no battery."""

    def idle_seconds(self) -> float | None:
        """Seconds since somebody used its keyboard, mouse or screen."""

    def screen_off(self) -> bool | None:
        """Whether nobody sees its screen: it is asleep, or locked, or there is none."""

    def heat(self) -> Heat | None:
        """Its thermal pressure."""

    def awake_command(self, pid: int) -> Sequence[str]:
        """A command while which runs the machine does not go to sleep by itself. It ends with the process `pid`."""
