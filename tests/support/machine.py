"""A machine that is as a test wants it, and stand-ins for the commands of an operating system."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from worker.machine import Heat


@dataclass
class FakeMachine:
    """None: it does not tell. `asked` is what it was asked."""

    powered: bool | None = True
    idle: float | None = 10**6
    off: bool | None = True
    warmth: Heat | None = Heat.NOMINAL
    asked: set[str] = field(default_factory=set)
    name: str = "the Mac"

    def on_ac_power(self) -> bool | None:
        self.asked.add("power")
        return self.powered

    def idle_seconds(self) -> float | None:
        self.asked.add("idle")
        return self.idle

    def screen_off(self) -> bool | None:
        self.asked.add("screen")
        return self.off

    def heat(self) -> Heat | None:
        self.asked.add("heat")
        return self.warmth

    def awake_command(self, pid: int) -> Sequence[str]:
        return ("true",)


class Commands:
    """Programs in a folder for the PATH. Each writes its arguments down, prints what it is to print and ends with a
    status; one that is to stay sleeps until it is ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._calls = folder / "calls"

    def put(self, name: str, prints: str = "", *, status: int = 0, stays: bool = False) -> None:
        (self.folder / f"{name}.out").write_text(prints)
        end = "exec sleep 600" if stays else f"exit {status}"
        program = self.folder / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> "{self._calls}"\ncat "$0.out"\n{end}\n')
        program.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """Those of programs that have written them down."""
        return self._calls.read_text().splitlines() if self._calls.exists() else []

    def wait_for(self, calls: int) -> None:
        deadline = time.monotonic() + 60
        while len(self.calls) < calls and time.monotonic() < deadline:
            time.sleep(0.01)
