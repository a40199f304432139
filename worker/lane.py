"""A lane: one queue, one slot, three threads.

The feeder takes and claims jobs while there is room. The engine thread owns the model: it loads it, steps it,
and is the only one that touches MLX. The outbox writes what came of it. A job that needs another model than the
one in the slot waits, in order, until the running batch has ended: a model is never unloaded while it generates.
"""

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any

from redis.exceptions import RedisError

from config.logs import CONCERNED
from jobs import events
from jobs.consumer.outbox import Message, Outbox
from jobs.errors import EngineFailure, JobTimeout, MlxqError, OutOfMemory, disk_full, is_disk_full
from jobs.gate import Ending, Gate
from jobs.kinds import Kind
from worker.engines.base import AudioChunk, Delta, Done, Failed, GatheringEngine, Output, Preview, Progress
from worker.feeder import Feeder, feeder_name
from worker.memory import is_out_of_memory
from worker.scheduler import DeviceScheduler
from worker.slots import Slot
from worker.task import Task

log = logging.getLogger(__name__)

#: Seconds that a lane is waited for which shall give its model up.
EVICTION_TIMEOUT = 10
#: How often a job for which memory ran out is tried again.
MEMORY_RETRIES = 3


class Lane:
    """Call `start`, then `stop_taking`, `wait_idle` and `close` to drain; `release` what did not end in time."""

    def __init__(
        self,
        gate: Gate,
        feeder_gate: Gate,
        slot: Slot,
        capacity: int,
        load_timeout: float,
        scheduler: DeviceScheduler | None = None,
        patience: float = 0.0,
    ) -> None:
        """`scheduler`: where this lane waits for its turn on the device; without, it never waits.

        `patience`: seconds for which a job for another model lets those for the loaded one pass.
        """
        self.slot = slot
        self.name = gate.queue
        self._gate = gate
        self._load_timeout = load_timeout
        self._turnstile = scheduler
        self._outbox = Outbox(gate, on_lost=self.drop, on_ended=self._ended)
        self._close = threading.Event()
        self._idle = threading.Condition()
        self._tasks: dict[str, Task] = {}
        self._inbox: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._cancels: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()
        self._waiting: deque[Task] = deque()
        self._running: dict[str, Task] = {}
        self._beginning: Task | None = None
        #: loads and unloads that another worker was given, for all
        self._orders: queue.SimpleQueue[tuple[Kind, str]] = queue.SimpleQueue()
        self._ordered: deque[tuple[Kind, str]] = deque()
        #: hears of a load or an unload that was a job of this lane
        self.tell_others: Callable[[Kind, str], None] = lambda *_: None
        self._preload: str | None = None
        self._idle_since = time.monotonic()
        self._evictions: queue.SimpleQueue[Future[bool]] = queue.SimpleQueue()
        #: seconds that the last caller wants the model to stay
        self.keep: float | None = None
        #: asked when memory has run out: whether another model went
        self.relieve: Callable[[], bool] = lambda: False
        self._busy_since: float | None = None
        self._loading = False
        self._feeder = Feeder(
            feeder_gate,
            capacity,
            patience,
            loaded=lambda: slot.model,
            busy=lambda: bool(self._tasks),
            hand_on=self._accept,
        )
        self._engine_thread = threading.Thread(target=self._run, name=f"{self.name}-engine", daemon=True)
        self.finished = 0
        self.failed = 0
        self._worked, self._works_since = 0.0, 0.0

    # -- from the host's threads -------------------------------------------------------------------------------

    def start(self, preload: str | None = None) -> None:
        """Begin; `preload` is the id of a model to load before the first job comes."""
        self._preload = preload
        self._outbox.start()
        self._engine_thread.start()
        self._feeder.start()

    def executions(self) -> list[tuple[str, str]]:
        """(job, execution) of everything in hand, for the heartbeat."""
        return [(task.claim.job_id, task.id) for task in list(self._tasks.values())]

    def cancel_job(self, job_id: str) -> None:
        for task in list(self._tasks.values()):
            if task.claim.job_id == job_id:
                self.cancel(task.id)

    def cancel(self, execution_id: str) -> None:
        """End an execution as cancelled, within one step."""
        self._cancels.put((execution_id, True))
        self._inbox.put(None)

    def drop(self, execution_id: str) -> None:
        """Forget an execution that belongs to another worker by now, within one step."""
        self._cancels.put((execution_id, False))
        self._inbox.put(None)

    @property
    def model(self) -> str | None:
        """The model in the slot."""
        return self.slot.model

    @property
    def cache_bytes(self) -> int:
        """Bytes that its engine could forget."""
        return self.slot.cache_bytes

    def clear_cache(self) -> None:
        self.slot.clear_cache()

    @property
    def pinned(self) -> bool:
        """Whether the environment names the model that is loaded."""
        return self.slot.model is not None and self.slot.model == self._preload

    def pins(self, model: str) -> bool:
        return model == self._preload

    @property
    def idle_since(self) -> float | None:
        """Since when nothing is in hand, on the monotonic clock; None while something is."""
        return None if self._tasks else self._idle_since

    @property
    def worked(self) -> float:
        """Seconds for which it had jobs in hand."""
        return self._worked + (time.monotonic() - self._works_since if self._tasks else 0.0)

    def evict(self, *, wait: bool = True) -> bool:
        """Empty the slot on the engine thread, unless there is work again; say whether it is empty."""
        asked: Future[bool] = Future()
        self._evictions.put(asked)
        self._inbox.put(None)
        if not wait:
            return False
        try:
            return asked.result(EVICTION_TIMEOUT)
        except TimeoutError:
            # Whatever it is busy with, it shall not lose its model later.
            asked.cancel()
            return False

    def order(self, kind: Kind, model: str) -> None:
        """Load or unload a model ('': any) as another worker did, when nothing runs any more."""
        self._orders.put((kind, model))
        self._inbox.put(None)

    def stalled(self, step_timeout: float) -> bool:
        """Whether the engine thread hangs in native code: one step, or one load, takes longer than it may."""
        since = self._busy_since
        limit = self._load_timeout if self._loading else step_timeout
        return since is not None and time.monotonic() - since > limit

    def stop_taking(self) -> None:
        self._feeder.stop()
        with contextlib.suppress(RedisError, OSError):
            self._gate.stop_waiting(feeder_name(self._gate.worker))

    def wait_idle(self, timeout: float) -> bool:
        """Wait until every job in hand has ended."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._tasks, timeout)

    def release(self) -> int:
        """Put everything in hand back into the queue, the oldest in front. Returns how many."""
        released = 0
        for job_id, execution_id in reversed(self.executions()):
            released += self._gate.release(job_id, execution_id)
            self._forget(execution_id)
        return released

    def fail_hung(self, step_timeout: float) -> None:
        """Fail what the engine hangs on: its batch, or the job that it loads for. The rest is left to `release`."""
        if self._loading:
            hung = list(self._waiting)[:1]
            error: MlxqError = JobTimeout(f"The model did not load within {self._load_timeout:g} s.")
        else:
            hung = list(self._running.values())
            error = EngineFailure(f"The model hung: one step took longer than {step_timeout:g} s.")
        endings = [Ending(task.claim.job_id, task.id, error=error) for task in hung]
        if endings:
            self._gate.write([], endings)
        for ending in endings:
            self._ended(ending, lost=False)

    def close(self, patience: float) -> bool:
        """End the threads; the model is freed on its own. False when the engine is still in the middle of a step."""
        self._close.set()
        self._inbox.put(None)
        self._engine_thread.join(patience)
        self._outbox.stop(patience)
        self._feeder.join(patience)
        return not self._engine_thread.is_alive()

    def _accept(self, task: Task) -> None:
        """On the feeder's thread."""
        if not self._tasks:
            self._works_since = time.monotonic()
        self._tasks[task.id] = task
        self._inbox.put(task)

    # -- the engine thread ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        CONCERNED.set(self._concerned)
        try:
            if self._preload is not None:
                self._load_ahead(self._preload)
            while not self._close.is_set():
                self._take_in()
                if self._running:
                    self._gather()
                if self._running:
                    self._step()
        except Exception:
            log.critical("the %s lane's engine thread died", self.name, exc_info=True)
            # The watchdog sees a step that never ends, and has the process restarted.
            self._busy_since = float("-inf")
            return
        self._busy_since = time.monotonic()
        self.slot.close()
        self._busy_since = None

    def _load_ahead(self, model_id: str) -> None:
        try:
            self._load(model_id)
        except MlxqError:
            log.error("the %s slot starts empty", self.name)

    def _load(self, model_id: str) -> None:
        with self._turn():
            self._busy_since, self._loading = time.monotonic(), True
            try:
                self.slot.load(model_id)
            finally:
                self._busy_since, self._loading = None, False

    def _turn(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext() if self._turnstile is None else self._turnstile.turn(self.name)

    def _take_in(self) -> None:
        """Move what has come to where it belongs. Blocks while there is nothing to do."""
        block = not self._running and not self._waiting
        if block and self._turnstile is not None:
            self._turnstile.rest(self.name)
        while block or not self._inbox.empty():
            task = self._inbox.get()
            block = False
            if task is not None:
                self._waiting.append(task)
        while not self._cancels.empty():
            self._leave(*self._cancels.get())
        while not self._evictions.empty():
            self._empty(self._evictions.get())
        while not self._orders.empty():
            self._ordered.append(self._orders.get())
        while self._ordered and not self._running:
            self._obey(*self._ordered.popleft())
        while self._waiting and not self._ordered:
            self._beginning = self._waiting[0]
            begun = self._begin(self._beginning)
            self._beginning = None
            if not begun:
                break
            self._waiting.popleft()
        # While the head waits for the slot, what comes later waits in its queue, where it can be seen.
        self._feeder.hold(bool(self._waiting or self._ordered))

    def _gather(self) -> None:
        """Wait a moment for tasks that come together with those at hand, where the engine gains by that."""
        engine = self.slot.engine
        if not isinstance(engine, GatheringEngine):
            return
        while self._running and (pause := engine.gather_time()) > 0:
            try:
                task = self._inbox.get(timeout=pause)
            except queue.Empty:
                return
            if task is not None:
                self._waiting.append(task)
            self._take_in()

    def _obey(self, kind: Kind, model: str) -> None:
        if kind is Kind.LOAD and model != self.slot.model:
            with contextlib.suppress(MlxqError):  # the slot tells it
                self._load(model)
        elif kind is Kind.UNLOAD and model in ("", self.slot.model):
            self.slot.unload()

    def _empty(self, asked: "Future[bool]") -> None:
        """Unload for others, if nothing needs the model now."""
        if not asked.set_running_or_notify_cancel():
            return
        free = not self._running and not self._waiting and not self._tasks
        if free:
            self.slot.unload()
        asked.set_result(free)

    def _begin(self, task: Task) -> bool:
        """Start the task at the head. False: it needs the slot, which is still busy."""
        claim = task.claim
        switch = claim.kind is Kind.UNLOAD or claim.model != self.slot.model
        if switch and self._running:
            return False
        try:
            if claim.kind is Kind.UNLOAD:
                # It may name the model that shall go: another one that has taken its place stays.
                if claim.model in ("", self.slot.model):
                    self.slot.unload()
                self._end(task, result={"status": "unloaded"})
                return True
            if switch:
                self._outbox.put([task.message(events.Loading(claim.model))])
                self._load(claim.model)
            if claim.kind is Kind.LOAD:
                self._end(task, result={"status": "loaded", "model": self.slot.model})
                return True
            if switch:
                self._outbox.put([task.message(events.Loaded(claim.model))])
            engine = self.slot.engine
            assert engine is not None
            engine.add(task.id, claim.payload, task.seed)
            self.keep = claim.payload.get("keep_alive")
        except OutOfMemory as error:
            self.relieve()
            self._try_again(task, error)
        except MlxqError as error:
            self._end(task, error=error)
        except Exception as error:
            log.exception("job %s could not be started", claim.job_id)
            failure = EngineFailure(f"The model failed on this request ({type(error).__name__}).")
            self._end(task, error=disk_full() if is_disk_full(error) else failure)
        else:
            task.began = time.monotonic()
            task.deadline = task.began + claim.timeout
            self._running[task.id] = task
        return True

    def _step(self) -> None:
        engine = self.slot.engine
        assert engine is not None
        try:
            with self._turn():
                self._busy_since = time.monotonic()
                self._report(engine.step())
                engine.tidy()
        except Exception as error:
            log.exception(
                "the %s engine failed in a step; its %d jobs fail with it", self.name, len(self._running)
            )
            self._give_up(error)
            return
        finally:
            self._busy_since = None
        now = time.monotonic()
        for task in [task for task in self._running.values() if now > task.deadline]:
            engine.remove(task.id)
            limit = f"{task.claim.timeout:g}"
            self._end(task, error=JobTimeout(f"The job ran longer than the {limit} s that it may."))

    def _give_up(self, error: Exception) -> None:
        """The engine is in an unknown state: what it has in hand fails, and the model is loaded anew when needed.

        Where memory has run out it is tried again, without the model that was used least recently.
        """
        if is_out_of_memory(error):
            self.slot.unload()
            self.relieve()
            for task in reversed(list(self._running.values())):
                self._try_again(task, OutOfMemory("The model ran out of memory."))
            return
        failure = EngineFailure(f"The model failed ({type(error).__name__}).")
        for task in list(self._running.values()):
            self._end(task, error=failure)
        self.slot.unload()

    def _try_again(self, task: Task, error: OutOfMemory) -> None:
        """Back to the front of the queue, a few times; then it fails."""
        if task.claim.attempt <= MEMORY_RETRIES:
            with contextlib.suppress(RedisError, OSError):
                if self._gate.release(task.claim.job_id, task.id):
                    self._running.pop(task.id, None)
                    self._forget(task.id)
                    return
        self._end(task, error=error)

    def _report(self, outputs: list[Output]) -> None:
        """Send what a step brought on its way."""
        now = time.monotonic()
        batch: list[Message | Ending] = []
        for output in outputs:
            self._translate(output, now, batch)
        if batch:
            self._outbox.put(batch)

    def _translate(self, output: Output, now: float, batch: list[Message | Ending]) -> None:
        task = self._running.get(output.task_id)
        if task is None:
            return
        match output:
            case Delta() | AudioChunk():
                batch += task.tell(output, now)
            case Progress(done=done, total=total):
                batch.append(task.message(events.Progress(done=done, total=total)))
            case Preview(artifact=artifact, blob=blob, content_type=content_type, data=data):
                event = events.Partial if output.partial else events.Preview
                place = data["index"], data["number" if output.partial else "step"]
                batch.append(task.message(event(*place, artifact, blob, content_type)))
            case Done(result=result):
                batch += task.rest()
                batch.append(self._ending(task, result=result))
            case Failed(error=error):
                batch.append(self._ending(task, error=error))

    def _leave(self, execution_id: str, cancelled: bool) -> None:
        """A task leaves early: cancelled (its job ends) or lost (it is somebody else's)."""
        task = self._tasks.get(execution_id)
        if task is None:
            return
        if execution_id in self._running:
            engine = self.slot.engine
            assert engine is not None
            engine.remove(execution_id)
        elif task in self._waiting:
            self._waiting.remove(task)
        elif cancelled:
            return  # its ending is on its way to Redis
        if cancelled:
            self._end(task)
        else:
            self._running.pop(execution_id, None)
            self._forget(execution_id)

    def _end(self, task: Task, result: dict[str, Any] | None = None, error: MlxqError | None = None) -> None:
        self._outbox.put([self._ending(task, result, error)])

    def _ending(
        self, task: Task, result: dict[str, Any] | None = None, error: MlxqError | None = None
    ) -> Ending:
        self._running.pop(task.id, None)
        if error is not None:
            self.failed += 1
        else:
            self.finished += 1
        return Ending(task.claim.job_id, task.id, result=result, error=error)

    # -- bookkeeping ---------------------------------------------------------------------------------------------

    def _ended(self, ending: Ending, lost: bool) -> None:
        """The outbox has written the end of an execution: it is not beaten for any more."""
        task = self._tasks.get(ending.execution_id)
        if task is not None and not lost:
            task.log_end(ending)
            if task.claim.kind in (Kind.LOAD, Kind.UNLOAD) and ending.result is not None:
                self.tell_others(task.claim.kind, task.claim.model)
        self._forget(ending.execution_id)

    def _concerned(self) -> list[str]:
        """The jobs that lines of the engine's thread are about."""
        tasks = [self._beginning] if self._beginning is not None else list(self._running.values())
        return [task.claim.job_id for task in tasks]

    def _forget(self, execution_id: str) -> None:
        if self._tasks.pop(execution_id, None) is not None:
            empty = not self._tasks
            if empty:
                self._idle_since = time.monotonic()
                self._worked += self._idle_since - self._works_since
            self._feeder.leave(empty=empty)
            with self._idle:
                self._idle.notify_all()
