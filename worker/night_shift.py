"""The night shift: whether jobs of the background may start now, looked at again every few seconds.

This module knows the policy, the machine and when to look. It does not know queues: whoever takes jobs asks `rests`.
What it found ends with the process, so that a worker that dies leaves no pause behind.
"""

import logging
import threading
import time
from collections.abc import Callable

from config.hours import follow_the_zone
from jobs.live_settings import LiveSettings
from jobs.worker_state import Rest
from worker.assertion import PowerAssertion
from worker.background_policy import Policy, Verdict
from worker.machine import Machine

log = logging.getLogger(__name__)

#: Seconds between two looks at the machine, and between two looks whether jobs run.
LOOK, _TICK = 5.0, 2.0
#: The settings of the conditions that a machine may not tell.
_SETTINGS = {
    "power": "BACKGROUND_ON_AC_POWER",
    "idle": "BACKGROUND_IDLE_MINUTES",
    "screen": "BACKGROUND_SCREEN_OFF",
    "heat": "BACKGROUND_HEAT",
}


class NightShift:
    """Call `start`, and `close` at the end. Any thread may read what it found."""

    def __init__(
        self,
        live: Callable[[], LiveSettings],
        machine: Machine,
        awake: PowerAssertion,
        works: Callable[[], bool],
        on_change: Callable[[], None],
        give_back: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`works`: whether jobs run. `on_change` is called when the background rests, or does no more.

        `give_back` puts running jobs of the background back into their queues. Both are called on this thread.
        """
        self._live = live
        self._machine = machine
        self._awake = awake
        self._works = works
        self._on_change = on_change
        self._give_back = give_back
        self._clock = clock
        self._verdict = Verdict()
        self._rest: Rest | None = None
        self._closing = False
        #: one look after the other: what was seen last counts
        self._looking = threading.Lock()
        self._wakeup = threading.Event()
        self._thread = threading.Thread(target=self._run, name="night-shift", daemon=True)

    @property
    def rest(self) -> Rest | None:
        """Why no jobs of the background are started; None: they are."""
        return self._rest

    @property
    def rests(self) -> bool:
        return self._rest is not None

    @property
    def slows(self) -> bool:
        """Whether the machine is so hot that running jobs of the background are slowed down."""
        rest = self._rest
        return rest is not None and "heat" in rest.reasons

    @property
    def trouble(self) -> list[str]:
        """What the settings ask for and the machine does not tell, in sentences."""
        return [
            f"{_SETTINGS[each]} has no effect: this machine does not tell." for each in self._verdict.untold
        ]

    def start(self) -> None:
        """Look once, before any job is taken; then go on."""
        self.look()
        self._thread.start()

    def wake(self) -> None:
        """A setting has changed: look at once."""
        self._wakeup.set()

    def close(self, patience: float) -> None:
        self._closing = True
        self._wakeup.set()
        if self._thread.is_alive():
            self._thread.join(patience)
        self._awake.close()

    def look(self) -> None:
        """Judge the conditions now."""
        with self._looking:
            self._look()

    def _look(self) -> None:
        live, before = self._live(), self._rest
        follow_the_zone()
        now = self._clock()
        self._verdict = Policy.of(live).judge(self._machine, now)
        self._rest = self._verdict.rest(now if before is None else before.since)
        if self._rest is not None and live.background_running == "requeue":
            self._give_back()
        if (told := self._told(self._rest)) != self._told(before):
            log.info("%s", told or "background work goes on")
            self._on_change()

    @staticmethod
    def _told(rest: Rest | None) -> str:
        return "" if rest is None else rest.message

    def _run(self) -> None:
        looked = time.monotonic()
        while True:
            woken = self._wakeup.wait(_TICK)
            self._wakeup.clear()
            if self._closing:
                return
            try:
                if woken or time.monotonic() - looked >= LOOK:
                    looked = time.monotonic()
                    self.look()
                self._awake.settle(works=self._live().keep_awake and self._works())
            except Exception:  # the thread must survive whatever happens
                log.exception("a look at the machine failed")
