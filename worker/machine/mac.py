"""macOS: `pmset`, `ioreg` and `caffeinate`, CoreGraphics for the display, and notifyd for the heat."""

import ctypes
import plistlib
import re
from collections.abc import Sequence
from typing import Any
from xml.parsers.expat import ExpatError

from worker.machine.commands import printed
from worker.machine.protocol import Heat

_GRAPHICS = "/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics"
_IDLE = re.compile(rb'"HIDIdleTime" = ([0-9]+)')
#: Whose state is a level of libkern/OSThermalNotification.h.
_PRESSURE = b"com.apple.system.thermalpressurelevel"
#: Nominal, moderate, heavy (the system is slowed down), trapping, sleeping.
_LEVELS = (Heat.NOMINAL, Heat.FAIR, Heat.SERIOUS, Heat.CRITICAL, Heat.CRITICAL)


class MacMachine:
    """See `Machine`. Not thread-safe."""

    name = "the Mac"

    def __init__(self, graphics: Any = None, system: Any = None) -> None:
        """`graphics`, `system`: CoreGraphics and libSystem; None: those of this machine."""
        self._graphics = graphics or _library(_GRAPHICS)
        self._system = system or _library(None)
        #: notifyd's registration
        self._token: ctypes.c_int | None = None

    def on_ac_power(self) -> bool | None:
        """`pmset -g batt` begins with "Now drawing from 'AC Power'", else 'Battery Power' or 'UPS Power'."""
        told = printed(("pmset", "-g", "batt"))
        if not told or b"drawing from" not in told:
            return None
        return b"'AC Power'" in told.partition(b"\n")[0]

    def idle_seconds(self) -> float | None:
        """`HIDIdleTime` of IOHIDSystem, in nanoseconds."""
        told = _IDLE.search(printed(("ioreg", "-r", "-d", "1", "-c", "IOHIDSystem")) or b"")
        return None if told is None else int(told[1]) / 1e9

    def screen_off(self) -> bool | None:
        """Asleep by CoreGraphics, or locked by the registry's root, which has the sessions at the machine."""
        asleep = self._asleep()
        if asleep:
            return True
        sessions = _properties(printed(("ioreg", "-a", "-d", "1", "-n", "Root"))).get("IOConsoleUsers", ())
        shown = [each for each in sessions if each.get("kCGSSessionOnConsoleKey", True)]
        return all(each.get("CGSSessionScreenIsLocked", False) for each in shown) if shown else asleep

    def heat(self) -> Heat | None:
        state = ctypes.c_uint64()
        try:
            if self._token is None:
                token = ctypes.c_int()
                if self._system.notify_register_check(_PRESSURE, ctypes.byref(token)):
                    return None
                self._token = token
            if self._system.notify_get_state(self._token, ctypes.byref(state)):
                return None
        except (AttributeError, OSError):
            return None
        return _LEVELS[min(state.value, len(_LEVELS) - 1)]

    def awake_command(self, pid: int) -> Sequence[str]:
        """`-i`: no sleep because nobody does anything. The display may sleep."""
        return ("caffeinate", "-i", "-w", str(pid))

    def _asleep(self) -> bool | None:
        try:
            display = self._graphics.CGMainDisplayID
            is_asleep = self._graphics.CGDisplayIsAsleep
            display.restype = is_asleep.restype = ctypes.c_uint32
            is_asleep.argtypes = [ctypes.c_uint32]
            return bool(is_asleep(display()))
        except (AttributeError, OSError):
            return None


def _library(path: str | None) -> Any:
    """None where it is not there: then it has no functions."""
    try:
        return ctypes.CDLL(path)
    except OSError:
        return None


def _properties(text: bytes | None) -> dict[str, Any]:
    """The entry that `ioreg -a` shows, with its properties; empty where it shows none."""
    try:
        found = plistlib.loads(text) if text else {}
    except (plistlib.InvalidFileException, ExpatError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
