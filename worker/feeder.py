"""The feeder: takes and claims jobs of one queue while its lane has room, on a thread of its own.

It decides for which model, not what becomes of a job: jobs for the model that is loaded go first, for a while.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable

from redis.exceptions import RedisError

from jobs.gate import Gate, ModelAffinity
from worker.task import Task

log = logging.getLogger(__name__)

#: Seconds that it waits for a job before it looks whether it shall stop.
TAKE_TIMEOUT = 1
#: Seconds after which it looks again whether jobs for another model may be taken by now.
_LOOK_AGAIN = 0.1
#: Seconds until it tries again what has failed.
_RETRY = 0.2


class Feeder:
    """Call `start`, then `stop` and `join`. Every task that is handed on needs one `leave` when it has ended."""

    def __init__(
        self,
        gate: Gate,
        capacity: int,
        patience: float,
        loaded: Callable[[], str | None],
        busy: Callable[[], bool],
        hand_on: Callable[[Task], None],
    ) -> None:
        """`gate`: for this thread alone, which blocks on it. `loaded`: the model in the slot, if there is one.
        `busy`: whether the lane has jobs in hand.

        `patience`: seconds for which a job for another model lets those for the loaded one pass.
        """
        self._gate = gate
        self._capacity = capacity
        self._patience_ms = int(patience * 1000)
        self._loaded = loaded
        self._busy = busy
        self._hand_on = hand_on
        self._room = threading.Semaphore(capacity)
        self._open = threading.Event()
        self._open.set()
        self._stopped = threading.Event()
        #: the lane has nothing in hand any more
        self._emptied = threading.Event()
        #: the model of the jobs taken last, and since when they are for that one (Unix milliseconds)
        self._model, self._model_since_ms = "", 0
        self._thread = threading.Thread(target=self._feed, name=f"{gate.queue}-feeder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take nothing more."""
        self._stopped.set()
        self._open.set()
        self._emptied.set()
        self._room.release()

    def join(self, timeout: float) -> None:
        self._thread.join(TAKE_TIMEOUT + timeout)

    def hold(self, held: bool) -> None:
        """Leave what comes in its queue for now, where it can be seen, or go on."""
        if held:
            self._open.clear()
        else:
            self._open.set()

    def leave(self, *, empty: bool) -> None:
        """A task has ended; `empty`: it was the last one in hand."""
        self._room.release()
        if empty:
            self._emptied.set()

    def _feed(self) -> None:
        away = False
        while True:
            self._room.acquire()
            self._open.wait()
            if self._stopped.is_set():
                return
            room = 1
            while room < self._capacity and self._room.acquire(blocking=False):
                room += 1
            try:
                tasks = self._take(room)
                away = False
            except (RedisError, OSError) as error:
                if not away:
                    log.warning("the %s lane lost Redis (%s)", self._gate.queue, type(error).__name__)
                away, tasks = True, []
                self._stopped.wait(_RETRY)
            except Exception:  # whatever it was, the lane must go on taking
                log.exception("the %s lane's feeder stumbled", self._gate.queue)
                tasks = []
                self._stopped.wait(_RETRY)
            if room > len(tasks):
                self._room.release(room - len(tasks))
            for task in tasks:
                self._hand_on(task)

    def _take(self, room: int) -> list[Task]:
        taken = self._gate.take(TAKE_TIMEOUT, room, self._favour)
        if taken is None:
            # More for the loaded model may come, its jobs may end, or the others' patience.
            self._emptied.wait(_LOOK_AGAIN)
            self._emptied.clear()
            return []
        if taken and self._stopped.is_set():
            self._gate.put_back(taken)
            return []
        if not taken:
            return []
        claims = self._gate.claim([(job, uuid.uuid4().hex) for job in taken])
        if claims and claims[-1].model != self._model:
            self._model, self._model_since_ms = claims[-1].model, int(time.time() * 1000)
        return [Task(claim) for claim in claims]

    def _favour(self) -> ModelAffinity:
        """The model of the jobs in hand goes first, for a while; without jobs the one that is loaded."""
        works = self._busy()
        model = self._model if works else self._loaded() or ""
        return ModelAffinity(model, self._model_since_ms, self._patience_ms, works)


def feeder_name(worker: str) -> str:
    """What the feeder's connection is called in Redis."""
    return f"{worker}.feeder"
