"""A lane: a slot and its engine thread, which loads the model, steps it, and alone touches what MLX made for it.

A job that needs another model than the one in the slot waits until the running batch has ended: a model is never
unloaded while it generates. This module knows jobs and engines. It does not know Redis, other lanes, or what a model
computes.
"""

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager

from config.logs import CONCERNED
from jobs import events
from jobs.consumer.queue import ConsumedQueue
from jobs.consumer.step_record import StepRecord
from jobs.errors import EngineFailure, JobTimeout, MlxqError, OutOfMemory, disk_full, is_disk_full
from jobs.kinds import Kind
from jobs.results import LoadResult
from worker.engines.base import GatheringEngine
from worker.lane_context import LaneContext
from worker.memory import is_out_of_memory
from worker.meter import Meter
from worker.occupant import LaneOccupant
from worker.running import RunningTasks
from worker.slot_requests import Order, SlotRequests
from worker.slots import Slot
from worker.task import Task
from worker.watchdog import Watchdog

log = logging.getLogger(__name__)

#: How often a job for which memory ran out is tried again.
MEMORY_RETRIES = 3
#: How long a lane that is slowed down stands still after a step: by the time of the step, and in seconds at most.
SLOWNESS, LONGEST_REST = 3.0, 5.0


class Lane:
    """Call `start`; to end, `stop` and `join` after its queue has been drained."""

    def __init__(
        self,
        name: str,
        slot: Slot,
        jobs: ConsumedQueue,
        record: StepRecord,
        context: LaneContext,
        pins: Callable[[str], bool],
        on_hold: Callable[[], None],
    ) -> None:
        """`jobs`: the queue of its tasks. `record`: where it notes what it works on.

        `pins`: whether a model stays once it is loaded. `on_hold` is called when `holds` has changed.
        """
        self.name = name
        self.slot = slot
        #: further jobs have to wait in their queue
        self.holds = False
        #: seconds that the last load took
        self.load_seconds: float | None = None
        self._jobs = jobs
        self._context = context
        self._memory = context.memory
        self._on_hold = on_hold
        self._watchdog = Watchdog(context.settings.load_timeout)
        self._record = record
        self._closing = threading.Event()
        # No SimpleQueue: where a short timeout is over before it is looked at, it waits for ever (Python 3.11, 3.12).
        self._inbox: queue.Queue[Task | None] = queue.Queue()
        self._cancels: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()
        self._clients: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()
        self._requests = SlotRequests(self._wake)
        self._waiting: deque[Task] = deque()
        #: those that wait could begin
        self._postponed = False
        self._running = RunningTasks(slot, jobs, Meter(context.paces))
        self.occupant = LaneOccupant(
            slot,
            self._requests,
            pins,
            lambda: bool(self._waiting or self._running),
            lambda: jobs.give_way(self._running.ids),
        )
        self._beginning: Task | None = None
        self._thread = threading.Thread(target=self._run, name=f"{name}-engine", daemon=True)

    # -- for any thread ------------------------------------------------------------------------------------------

    @property
    def model(self) -> str | None:
        """The model in its slot, or the one that is loaded next."""
        return self.occupant.model

    def start(self) -> None:
        self._thread.start()

    def accept(self, task: Task, needed: int) -> None:
        """Run this task, whose model has `needed` bytes."""
        self.occupant.arrives(task.claim.model, needed)
        self._inbox.put(task)

    def order(self, order: Order, needed: int = 0) -> None:
        """Carry this out when nothing runs any more; a model to load has `needed` bytes."""
        if order.kind is Kind.LOAD:
            self.occupant.expect(order.model, needed)
        self._requests.order(order)

    def cancel(self, execution_id: str) -> None:
        """End an execution as cancelled, within one step, if it is here."""
        self._cancels.put((execution_id, True))
        self._wake()

    def drop(self, execution_id: str) -> None:
        """Drop an execution that belongs to another worker now, within one step, if it is here."""
        self._cancels.put((execution_id, False))
        self._wake()

    def linger(self, execution_id: str, lingers: bool) -> None:
        """The client of an execution has left, or is back, if it is here."""
        self._clients.put((execution_id, lingers))
        self._wake()

    def hangs(self, step_timeout: float) -> bool:
        """Whether the engine thread hangs in native code."""
        return self._watchdog.hangs(step_timeout)

    def fail_hung(self, step_timeout: float) -> None:
        """Fail what the engine hangs on: its batch, or the job that it loads for. The other jobs stay."""
        if self._watchdog.loading:
            hung = list(self._waiting)[:1]
            error: MlxqError = JobTimeout(f"The model did not load within {self._watchdog.load_timeout:g} s.")
        else:
            hung = self._running.tasks
            error = EngineFailure(f"The model hung: one step took longer than {step_timeout:g} s.")
            if self._running.disperse():
                return
        self._jobs.end_now([task.ending(error=error) for task in hung])

    def stop(self) -> None:
        """Have the engine thread end, which frees the model."""
        self._closing.set()
        self._wake()

    def join(self, patience: float) -> bool:
        """Wait for that end. False when a step still runs."""
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _wake(self) -> None:
        self._inbox.put(None)

    # -- the engine thread ---------------------------------------------------------------------------------------

    def _run(self) -> None:
        CONCERNED.set(self._concerned)
        try:
            while not self._closing.is_set():
                self._take_in()
                if self._running.works:
                    self._gather()
                if self._running.works:
                    self._step()
        except Exception:
            log.critical("the %s lane's engine thread died", self.name, exc_info=True)
            # The host sees a step that never ends, and has the process restarted.
            self._watchdog.died()
            return
        with self._watchdog.step():
            self.slot.close()

    def _load(self, model_id: str) -> None:
        beginning = [] if self._beginning is None else [self._beginning.id]
        self.occupant.keep = None
        began = time.monotonic()
        try:
            with self._turn(), self._watchdog.load(), self._record.inside(beginning):
                self.slot.load(model_id, self.occupant)
        finally:
            self.occupant.settled()
        self.load_seconds = time.monotonic() - began
        self._context.paces.loaded(model_id, self.load_seconds)

    def _turn(self) -> AbstractContextManager[None]:
        if (scheduler := self._context.scheduler) is None:
            return contextlib.nullcontext()
        running = self._running
        return scheduler.turn(
            self.name, self.slot.category, urgent=running.urgent, yields=bool(running) and running.yields
        )

    def _take_in(self) -> None:
        """Serve the requests of other threads and start tasks. Blocks while there is nothing to do."""
        blocked = bool(self._running) and not self._postponed
        block = not self._running.works and (not self._waiting or blocked)
        if block:
            self.occupant.rests()
            if self._context.scheduler is not None:
                self._context.scheduler.rest(self.name)
        while block or not self._inbox.empty():
            task = self._inbox.get()
            block = False
            if task is not None:
                self._await(task)
        while not self._cancels.empty():
            self._leave(*self._cancels.get())
        while not self._clients.empty():
            self._note_client(*self._clients.get())
        self._requests.serve_evictions(self._empty)
        for order in self._requests.orders(lambda: not self._running):
            self._obey(order)
        self._postponed = False
        while self._waiting and not self._requests.has_orders and not self._postponed:
            self._beginning = self._waiting[0]
            begun = self._begin(self._beginning)
            self._beginning = None
            if not begun:
                break
            self.occupant.worked()
            task = self._waiting.popleft()
            # One of the background at a time begins beside others, which go on.
            self._postponed = task.is_background and bool(self._waiting) and not self._running.yields
        # While the first task waits for the slot, further jobs stay visible in their queue.
        holds = (bool(self._waiting) and not self._postponed) or self._requests.has_orders
        if holds:
            # Tasks whose clients have left do not keep the slot from others.
            self._jobs.give_way([task.id for task in self._running.tasks])
        if holds != self.holds:
            self.holds = holds
            self._on_hold()

    def _await(self, task: Task) -> None:
        """Let a task wait for its beginning; those of the background begin after others."""
        place = len(self._waiting)
        while not task.is_background and place and self._waiting[place - 1].is_background:
            place -= 1
        self._waiting.insert(place, task)
        self.occupant.took()

    def _gather(self) -> None:
        """Wait a moment for tasks that arrive together, where the engine gains by that."""
        engine = self.slot.engine
        if not isinstance(engine, GatheringEngine):
            return
        while self._running and (pause := engine.gather_time()) > 0:
            if not self._hear(pause):
                return
            self._take_in()

    def _hear(self, patience: float) -> bool:
        """Wait for a task, or for a request of another thread. False: none came."""
        try:
            task = self._inbox.get(timeout=patience)
        except queue.Empty:
            return False
        if task is not None:
            self._await(task)
        return True

    def _obey(self, order: Order) -> None:
        if order.kind is Kind.LOAD and order.model != self.slot.model:
            with contextlib.suppress(MlxqError):  # the slot's state shows it
                self._load(order.model)
        elif order.kind is Kind.UNLOAD and order.model in ("", self.slot.model):
            self.slot.unload()
        self.occupant.worked()
        order.done()

    def _empty(self) -> bool:
        """Unload for another lane, if no job needs the model now."""
        free = not self.occupant.busy
        if free:
            self.slot.unload()
        return free

    def _begin(self, task: Task) -> bool:
        """Start the first waiting task. False: it needs the slot, which is still busy."""
        claim = task.claim
        switch = claim.model != self.slot.model
        if switch and self._running:
            return False
        try:
            if switch:
                task.execution.loading = time.monotonic()
                self._jobs.put([task.message(events.Loading(claim.model))])
                self._load(claim.model)
            if claim.payload.keep_alive is not None:
                self.occupant.keep = claim.payload.keep_alive
            if claim.kind is Kind.LOAD:
                self.slot.asked()
                took = round(self.load_seconds or 0.0, 6) if switch else 0.0
                loaded = LoadResult(status="loaded", model=self.slot.model, load_seconds=took)
                self._running.end(task, result=loaded)
                return True
            if switch:
                self._jobs.put([task.message(events.Loaded(claim.model))])
            with self._record.inside([task.id]):
                self._running.add(task)
        except OutOfMemory as error:
            self._memory.relieve(self.occupant)
            self._try_again(task, error)
        except MlxqError as error:
            self._running.end(task, error=error)
        except Exception as error:
            log.exception("job %s could not be started", claim.job_id)
            failure = EngineFailure(f"The model failed on this request ({type(error).__name__}).")
            self._running.end(task, error=disk_full() if is_disk_full(error) else failure)
        return True

    def _step(self) -> None:
        self.occupant.worked()
        try:
            with self._turn(), self._watchdog.step(), self._record.inside(self._running.ids):
                began = time.monotonic()
                self._running.step()
                took = time.monotonic() - began
        except Exception as error:
            log.exception(
                "the %s engine failed in a step, which was about %d jobs", self.name, len(self._running)
            )
            self._give_up(error)
            return
        self._running.expire()
        self.occupant.worked()
        if self._context.slows() and self._running and self._running.yields and not self._waiting:
            # Jobs that others wait for begin at once; those that run end, on a machine that stays cooler.
            self._hear(min(SLOWNESS * took, LONGEST_REST))

    def _give_up(self, error: Exception) -> None:
        """The engine's state is unknown: it is loaded again when a job needs it, and its tasks run again, each alone.

        One that was alone fails. Where memory has run out it is tried again, without the least recently used other
        model.
        """
        self.slot.unload()
        memory = is_out_of_memory(error)
        if memory:
            self._memory.relieve(self.occupant)
        if self._running.disperse():
            return
        failure = EngineFailure(f"The model failed ({type(error).__name__}).")
        for task in self._running.tasks:
            if memory:
                self._try_again(task, OutOfMemory("The model ran out of memory."))
            else:
                self._running.end(task, error=failure)

    def _try_again(self, task: Task, error: OutOfMemory) -> None:
        """Back to the front of the queue, a few times; then it fails."""
        if task.claim.attempt > MEMORY_RETRIES or not self._running.release(task):
            self._running.end(task, error=error)

    def _leave(self, execution_id: str, cancelled: bool) -> None:
        """A task leaves early: cancelled (its job ends) or lost (it belongs to another worker)."""
        task = self._running.remove(execution_id)
        if task is None:
            task = next((each for each in self._waiting if each.id == execution_id), None)
            if task is not None:
                self._waiting.remove(task)
        if task is None:
            return
        self.occupant.worked()
        if cancelled:
            self._running.end(task)
        else:
            self._jobs.forget(execution_id)

    def _note_client(self, execution_id: str, lingers: bool) -> None:
        for task in (*self._running.tasks, *self._waiting):
            if task.id == execution_id:
                self._running.linger(task, lingers)

    def _concerned(self) -> list[str]:
        """The jobs that log lines of the engine thread are about."""
        tasks = [self._beginning] if self._beginning is not None else self._running.tasks
        return [task.claim.job_id for task in tasks]
