"""The feeder: takes and claims jobs of one queue while there is room for them, on a thread of its own.

This module knows the gate and how many jobs fit. It does not know what becomes of a job.
"""

import logging
import threading
import uuid
from collections.abc import Callable

from redis.exceptions import RedisError

from jobs.consumer.affinity import Affinity
from jobs.consumer.execution import Execution
from jobs.gate import Gate, any_model

log = logging.getLogger(__name__)

#: Seconds of one blocking look at the queue; a stop is seen between two of them.
TAKE_TIMEOUT = 1
#: Seconds between two looks while only jobs for another model wait: first, and at most.
_LOOK_AGAIN, _LOOK_AGAIN_MOST = 0.01, 0.1
#: Seconds between two attempts after an error.
_RETRY = 0.2


class Feeder:
    """Call `start`, then `stop` and `join`. Call `lend` and `left` once for every execution that has ended."""

    def __init__(
        self,
        gate: Gate,
        capacity: int,
        accept: Callable[[Execution], None],
        has_suspect: Callable[[], bool],
        affinity: Affinity | None = None,
        blocked: Callable[[], None] = lambda: None,
        yielding: Callable[[], int] = lambda: 0,
    ) -> None:
        """`gate`: for this thread alone, which blocks on it. `accept` is called on this thread.

        `has_suspect`: whether a job runs that must have no company. `affinity`: which jobs go first; None: in the
        order of the queue. `blocked` is called on this thread again and again while jobs wait that can't be taken
        beside those that run. `yielding`: how many executions give way to interactive jobs, which are then taken
        beyond the capacity.
        """
        self._gate = gate
        self._capacity = capacity
        self._accept = accept
        self._has_suspect = has_suspect
        self._affinity = affinity
        self._blocked = blocked
        self._yielding = yielding
        self._open = threading.Event()
        self._open.set()
        self._stopped = threading.Event()
        #: free places
        self._room = capacity
        #: places that were lent and could not be taken back
        self._owed = 0
        #: executions beyond the capacity
        self._beyond = 0
        self._places = threading.Condition()
        #: an execution has ended, or an urgent job has come
        self._left = threading.Event()
        self._pause = _LOOK_AGAIN
        self._thread = threading.Thread(target=self._feed, name=f"{gate.queue}-feeder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take nothing more."""
        self._stopped.set()
        self._open.set()
        self._left.set()
        with self._places:
            self._places.notify_all()

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def hold(self, held: bool) -> None:
        """Pause: jobs stay visible in their queue. Or go on."""
        if held:
            self._open.clear()
        else:
            self._open.set()

    def left(self, execution: Execution) -> None:
        """This execution has ended."""
        if self._affinity is not None:
            self._affinity.left(execution.claim)
        self._left.set()

    def look(self) -> None:
        """What waits may be taken by now: look at once."""
        self._left.set()

    def lend(self) -> None:
        """A place is free: its execution has ended, or gives it up as soon as another job wants it."""
        with self._places:
            if self._beyond:
                self._beyond -= 1
            elif self._owed:
                self._owed -= 1
            else:
                self._room += 1
            self._places.notify_all()

    def take_back(self) -> None:
        """An execution needs its place after all. Where that is taken, the next free one is not given away."""
        with self._places:
            if self._room:
                self._room -= 1
            else:
                self._owed += 1

    def _feed(self) -> None:
        away = False
        while True:
            room = self._free()
            self._open.wait()
            if self._stopped.is_set():
                return
            try:
                executions = self._take(room)
                away = False
            except (RedisError, OSError) as error:
                if not away:
                    log.warning("the %s queue lost Redis (%s)", self._gate.queue, type(error).__name__)
                away, executions = True, []
                self._stopped.wait(_RETRY)
            except Exception:  # the thread must survive whatever happens
                log.exception("the feeder of the %s queue failed once", self._gate.queue)
                executions = []
                self._stopped.wait(_RETRY)
            with self._places:
                self._beyond += max(0, len(executions) - room)
            for _ in range(room - len(executions)):
                self.lend()
            for execution in executions:
                self._accept(execution)

    def _free(self) -> int:
        """Free places, which are taken. Waits for one, unless there are executions that give way."""
        with self._places:
            self._places.wait_for(lambda: self._room or self._spare or self._stopped.is_set())
            room, self._room = self._room, 0
        return room

    @property
    def _spare(self) -> int:
        """Places of executions that give way, and have not done so yet."""
        return max(0, self._yielding() - self._beyond)

    @property
    def beyond(self) -> int:
        """Executions beyond the capacity."""
        return self._beyond

    def _take(self, room: int) -> list[Execution]:
        affinity = self._affinity
        # An end from here on may make room.
        self._left.clear()
        # Beside a suspect nothing is taken, but what waits is noted.
        room, spare = (0, 0) if self._has_suspect() else (room, self._spare)
        taken = self._gate.take(TAKE_TIMEOUT, room, affinity.current if affinity else any_model, spare)
        if taken is None:
            # Jobs for the preferred models may come, running ones may end, or the others' patience.
            if not self._gate.left:
                self._blocked()
            return self._look_again()
        self._pause = _LOOK_AGAIN
        with self._places:
            allowed = 0 if self._stopped.is_set() else max(0, len(taken) - self._owed)
        if len(taken) > allowed:
            self._gate.put_back(taken[allowed:])
            taken = taken[:allowed]
        if not taken:
            return []
        claims = self._gate.claim([(job, uuid.uuid4().hex) for job in taken])
        if affinity is not None:
            affinity.taken(claims)
        return [Execution(claim) for claim in claims]

    def _look_again(self) -> list[Execution]:
        """Nothing, after a moment or when an execution has ended."""
        left = self._left.wait(self._pause)
        self._pause = _LOOK_AGAIN if left else min(2 * self._pause, _LOOK_AGAIN_MOST)
        return []


def feeder_name(worker: str) -> str:
    """The name of a feeder's connection in Redis."""
    return f"{worker}.feeder"
