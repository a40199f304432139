"""What all lanes of a process share. This module knows what that is, and does nothing with it."""

from collections.abc import Callable
from dataclasses import dataclass

from config.settings import Settings
from jobs.eta import Paces
from worker.memory import Memory
from worker.scheduler import DeviceScheduler


@dataclass(frozen=True, slots=True)
class LaneContext:
    """One per process."""

    settings: Settings
    #: which models may be in memory
    memory: Memory
    #: what is learned of how fast models are
    paces: Paces
    #: where lanes wait for their turn; without, they never wait
    scheduler: DeviceScheduler | None
    #: whether work of the background is slowed down
    slows: Callable[[], bool]
