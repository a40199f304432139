"""What machines say, and how they are kept awake: by stand-ins for their commands, libraries and files."""

import ctypes
import os
import plistlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.machine import Commands
from worker.assertion import QUIET, PowerAssertion
from worker.machine import Heat
from worker.machine.linux import LinuxMachine
from worker.machine.mac import MacMachine


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return Commands(tmp_path)


class Graphics:
    """CoreGraphics with one display."""

    def __init__(self, asleep: bool) -> None:
        self.asleep = asleep

    class _Call:
        restype: Any
        argtypes: Any

        def __init__(self, answer: Callable[..., int]) -> None:
            self.answer = answer

        def __call__(self, *arguments: int) -> int:
            return self.answer(*arguments)

    @property
    def CGMainDisplayID(self) -> Any:
        return self._Call(lambda: 7)

    @property
    def CGDisplayIsAsleep(self) -> Any:
        return self._Call(lambda display: int(display == 7 and self.asleep))


class Notifications:
    """notifyd with a thermal pressure."""

    def __init__(self, level: int) -> None:
        self.level = level
        self.registered: list[bytes] = []

    def notify_register_check(self, name: bytes, token: Any) -> int:
        self.registered.append(name)
        ctypes.cast(token, ctypes.POINTER(ctypes.c_int))[0] = 5
        return 0

    def notify_get_state(self, token: ctypes.c_int, state: Any) -> int:
        ctypes.cast(state, ctypes.POINTER(ctypes.c_uint64))[0] = self.level
        return 0 if token.value == 5 else 1


BATT = """Now drawing from '{}'
 -InternalBattery-0 (id=4653155)\t85%; discharging; 5:12 remaining present: true
"""


@pytest.mark.parametrize(
    ("printed", "powered"),
    [
        (BATT.format("AC Power"), True),
        ("Now drawing from 'AC Power'\n", True),
        (BATT.format("Battery Power"), False),
        (BATT.format("UPS Power"), False),
        ("", None),
        ("pmset: something else", None),
    ],
)
def test_the_power_of_a_mac(commands: Commands, printed: str, powered: bool | None) -> None:
    commands.put("pmset", printed)
    assert MacMachine().on_ac_power() is powered
    assert commands.calls == ["pmset -g batt"]


def test_the_user_of_a_mac(commands: Commands) -> None:
    commands.put("ioreg", '  | {\n  |   "HIDIdleTime" = 61500000000\n  |   "HIDScrollCountMap" = {}\n  | }\n')
    assert MacMachine().idle_seconds() == 61.5
    assert commands.calls == ["ioreg -r -d 1 -c IOHIDSystem"]
    commands.put("ioreg", "nothing of this kind")
    assert MacMachine().idle_seconds() is None


def console(*sessions: dict[str, object]) -> str:
    return plistlib.dumps({"IORegistryEntryName": "Root", "IOConsoleUsers": list(sessions)}).decode()


HERE: dict[str, object] = {"kCGSSessionOnConsoleKey": True}
LOCKED: dict[str, object] = {"CGSSessionScreenIsLocked": True}


@pytest.mark.parametrize(
    ("asleep", "printed", "off"),
    [
        (True, console(HERE), True),
        (False, console(HERE), False),
        (False, console({**HERE, **LOCKED}), True),
        (False, console({**HERE}, {"kCGSSessionOnConsoleKey": False, **LOCKED}), False),
        (False, console({**HERE, **LOCKED}, {"kCGSSessionOnConsoleKey": False}), True),
        (False, console(), False),
        (False, "<plist", False),
        (False, "", False),
    ],
)
def test_the_screen_of_a_mac(commands: Commands, asleep: bool, printed: str, off: bool) -> None:
    commands.put("ioreg", printed)
    assert MacMachine(Graphics(asleep)).screen_off() is off
    assert commands.calls == ([] if asleep else ["ioreg -a -d 1 -n Root"])


@pytest.mark.parametrize(
    ("level", "heat"),
    [
        (0, Heat.NOMINAL),
        (1, Heat.FAIR),
        (2, Heat.SERIOUS),
        (3, Heat.CRITICAL),
        (4, Heat.CRITICAL),
        (99, Heat.CRITICAL),
    ],
)
def test_the_heat_of_a_mac(level: int, heat: Heat) -> None:
    notifications = Notifications(level)
    machine = MacMachine(system=notifications)
    assert [machine.heat(), machine.heat()] == [heat, heat]
    assert notifications.registered == [b"com.apple.system.thermalpressurelevel"]


@pytest.mark.skipif(sys.platform == "darwin", reason="there they answer")
def test_what_is_not_there_is_not_told(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(commands.folder))
    mac = MacMachine()
    assert [mac.on_ac_power(), mac.idle_seconds(), mac.screen_off(), mac.heat()] == [None] * 4
    commands.put("pmset", BATT.format("AC Power"), status=1)
    assert mac.on_ac_power() is None


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


SUPPLY = "class/power_supply"
ZONE = "class/thermal/thermal_zone0"
TRIPS = {
    f"{ZONE}/trip_point_0_temp": "80000",
    f"{ZONE}/trip_point_0_type": "passive",
    f"{ZONE}/trip_point_1_temp": "100000",
    f"{ZONE}/trip_point_1_type": "critical",
    f"{ZONE}/trip_point_2_temp": "50000",
    f"{ZONE}/trip_point_2_type": "active",
    f"{ZONE}/trip_point_3_temp": "-274000",
    f"{ZONE}/trip_point_3_type": "hot",
}


@pytest.mark.parametrize(
    ("files", "powered"),
    [
        ({}, True),
        ({f"{SUPPLY}/AC/type": "Mains", f"{SUPPLY}/AC/online": "1"}, True),
        (
            {
                f"{SUPPLY}/AC/type": "Mains",
                f"{SUPPLY}/AC/online": "0",
                f"{SUPPLY}/BAT0/type": "Battery",
                f"{SUPPLY}/BAT0/status": "Discharging",
            },
            False,
        ),
        ({f"{SUPPLY}/BAT0/type": "Battery", f"{SUPPLY}/BAT0/status": "Full"}, True),
        (
            {
                f"{SUPPLY}/mouse/type": "Battery",
                f"{SUPPLY}/mouse/scope": "Device",
                f"{SUPPLY}/mouse/status": "Discharging",
            },
            True,
        ),
    ],
)
def test_the_power_of_a_linux_machine(tmp_path: Path, files: dict[str, str], powered: bool) -> None:
    assert LinuxMachine(write(tmp_path, files)).on_ac_power() is powered


def test_the_user_of_a_linux_machine(tmp_path: Path) -> None:
    machine = LinuxMachine(dev=tmp_path)
    assert machine.idle_seconds() is None
    write(tmp_path, {"pts/0": "", "tty1": ""})
    os.utime(tmp_path / "pts/0", (0, 0))
    os.utime(tmp_path / "tty1", (1000, 0))
    idle = machine.idle_seconds()
    assert idle is not None
    assert idle > 10**9
    os.utime(tmp_path / "pts/0", (2**32, 0))
    assert machine.idle_seconds() == 0


@pytest.mark.parametrize(
    ("screens", "off"),
    [({}, True), ({"eDP": "On"}, False), ({"eDP": "Off"}, True), ({"eDP": "Off", "HDMI": "On"}, False)],
)
def test_the_screen_of_a_linux_machine(tmp_path: Path, screens: dict[str, str], off: bool) -> None:
    files = {f"class/drm/card0-{name}/dpms": state for name, state in screens.items()}
    files |= {f"class/drm/card0-{name}/status": "connected" for name in screens}
    files |= {"class/drm/card0-DP/status": "disconnected", "class/drm/card0-DP/dpms": "On"}
    assert LinuxMachine(write(tmp_path, files)).screen_off() is off


@pytest.mark.parametrize(
    ("temperature", "heat"),
    [("60000", Heat.NOMINAL), ("80000", Heat.SERIOUS), ("100000", Heat.CRITICAL), ("warm", None)],
)
def test_the_heat_of_a_linux_machine(tmp_path: Path, temperature: str, heat: Heat | None) -> None:
    assert LinuxMachine(write(tmp_path, {**TRIPS, f"{ZONE}/temp": temperature})).heat() is heat
    assert LinuxMachine(tmp_path / "nowhere").heat() is None


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def assertion(commands: Commands, clock: Clock) -> Iterator[PowerAssertion]:
    made = PowerAssertion(MacMachine().awake_command(os.getpid()), clock)
    yield made
    made.close()


def test_a_mac_is_kept_awake_while_there_is_work(
    commands: Commands, clock: Clock, assertion: PowerAssertion
) -> None:
    commands.put("caffeinate", stays=True)
    assertion.settle(works=False)
    assert not assertion.held
    assertion.settle(works=True)
    assert assertion.held
    commands.wait_for(1)
    # Jobs that follow each other need no other process.
    clock.now += QUIET - 1
    assertion.settle(works=False)
    clock.now += 1.5
    assertion.settle(works=True)
    assert assertion.held
    clock.now += QUIET
    assertion.settle(works=False)
    assert not assertion.held
    assert commands.calls == [f"caffeinate -i -w {os.getpid()}"]
    assertion.settle(works=True)
    assert assertion.held
    assert assertion._process is not None
    process = assertion._process
    assertion.close()
    assert process.returncode == -signal.SIGTERM


def test_a_command_that_does_not_stay_is_not_tried_with_each_job(
    commands: Commands, clock: Clock, assertion: PowerAssertion
) -> None:
    commands.put("caffeinate", status=1)
    for _ in range(5):
        assertion.settle(works=True)
        if assertion._process is not None:
            assertion._process.wait(60)
        clock.now += 2
    assert len(commands.calls) == 1
    clock.now += 3600
    commands.put("caffeinate", stays=True)
    assertion.settle(works=True)
    assert assertion.held


def test_a_machine_without_the_command_works_all_the_same(
    commands: Commands, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(commands.folder))
    assertion = PowerAssertion(LinuxMachine().awake_command(1), clock)
    assertion.settle(works=True)
    assert not assertion.held


def test_on_linux_the_inhibitor_ends_with_its_process(commands: Commands, clock: Clock) -> None:
    """`systemd-inhibit` holds a lock while the command runs that it is given: here its stand-in runs that."""
    program = commands.folder / "systemd-inhibit"
    program.write_text('#!/bin/sh\nwhile [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"\n')
    program.chmod(0o755)
    with subprocess.Popen(["sleep", "600"]) as other:
        assertion = PowerAssertion(LinuxMachine().awake_command(other.pid), clock)
        assertion.settle(works=True)
        assert assertion.held
        assert assertion._process is not None
        other.kill()
        other.wait()
        assert assertion._process.wait(60) == 0
    assertion.close()
