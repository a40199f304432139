"""What the machine is doing: its power, its user, its screen, its heat; and how it is kept awake."""

import sys

from worker.machine.linux import LinuxMachine
from worker.machine.mac import MacMachine
from worker.machine.protocol import Heat, Machine

__all__ = ["Heat", "Machine", "this_machine"]


def this_machine() -> Machine:
    return MacMachine() if sys.platform == "darwin" else LinuxMachine()
