"""The lanes of one category: one queue, whose jobs go to the lane that has their model in its slot.

A model that has no lane gets an empty one, where the memory policy allows it, or that of an idle model. This module
knows which lane has which model. It does not know engines, or how a task runs.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence

from msgspec.structs import replace

from jobs.consumer.affinity import Affinity, Prospect
from jobs.consumer.consumer import Consumer
from jobs.consumer.execution import Execution
from jobs.errors import EngineFailure, MlxqError, ModelNotFound, WorkerNotFound
from jobs.gate import Ending, Room
from jobs.kinds import Category, Kind
from jobs.payloads import LoadPayload
from jobs.request import Claim
from jobs.results import LoadResult
from jobs.worker_state import Periods, SlotState
from worker.lane import Lane
from worker.lane_context import LaneContext
from worker.slot_requests import Order
from worker.slots import Slot
from worker.task import Task

log = logging.getLogger(__name__)

#: Seconds for which the size of a model that jobs wait for is remembered.
_REMEMBERED = 1.0


class Lanes:
    """Call `start`; to end, `close` after the queue has been drained."""

    def __init__(
        self,
        consumer: Consumer,
        category: Category,
        make_slot: Callable[[], Slot],
        capacity: int,
        context: LaneContext,
        *,
        preload: str | None,
        kept: Callable[[], Collection[str]],
        tell_others: Callable[[Kind, str], None],
    ) -> None:
        """`capacity`: jobs at the same time, of all models.

        `preload`: the id of a model to load before the first job, which then stays. `kept`: ids of others that stay
        once they are loaded. `tell_others` is called with a load or an unload that was a job.
        """
        self.category = category
        self._consumer = consumer
        self._make_slot = make_slot
        self._context = context
        self._memory = context.memory
        self.preload = preload
        self._kept = kept
        self._tell_others = tell_others
        #: one decision at a time: which lane gets a model
        self._routing = threading.Lock()
        self._holding = threading.Lock()
        #: model, its bytes, and when that was found out
        self._asked: tuple[str, int, float] = ("", 0, float("-inf"))
        affinity = Affinity(context.settings.switch_patience, self)
        self.queue = consumer.consume(category, capacity, self, affinity, yields=True)
        self.lanes: Sequence[Lane] = (self._new_lane(1),)

    # -- for any thread ------------------------------------------------------------------------------------------

    def start(self) -> None:
        for lane in self.lanes:
            lane.start()
        if self.preload is not None:
            self.order(Kind.LOAD, self.preload)

    def accept(self, execution: Execution) -> None:
        task = Task(execution)
        if not self._may_run(task.claim):
            gone = WorkerNotFound(f"The worker '{task.claim.worker}' has ended.", param="worker")
            self.queue.put([task.ending(error=gone)])
            return
        if task.claim.kind is Kind.UNLOAD:
            self._unload(task)
            return
        model = task.claim.model
        try:
            needed = self._needed(model)
        except MlxqError as error:
            self.queue.put([task.ending(error=error)])
        except Exception as error:
            log.exception("job %s could not be started", task.claim.job_id)
            failure = EngineFailure(f"The model failed on this request ({type(error).__name__}).")
            self.queue.put([task.ending(error=failure)])
        else:
            with self._routing:
                self._lane_for(model, needed).accept(task, needed)

    def _may_run(self, claim: Claim) -> bool:
        """Whether it is for any worker, for this one, or for one that has ended and whose place it may take."""
        if claim.worker in ("", self._consumer.name):
            return True
        return isinstance(claim.payload, LoadPayload) and claim.payload.stand_in

    def cancel(self, execution_id: str) -> None:
        """End an execution as cancelled, within one step."""
        for lane in self.lanes:
            lane.cancel(execution_id)

    def drop(self, execution_id: str) -> None:
        """Drop an execution that belongs to another worker now, within one step."""
        for lane in self.lanes:
            lane.drop(execution_id)

    def linger(self, execution_id: str, lingers: bool) -> None:
        """The client of an execution has left, or is back."""
        for lane in self.lanes:
            lane.linger(execution_id, lingers)

    def ended(self, execution: Execution, ending: Ending) -> None:
        claim = execution.claim
        if claim.kind in (Kind.LOAD, Kind.UNLOAD) and not claim.worker and ending.result is not None:
            self._tell_others(claim.kind, claim.model)

    def order(self, kind: Kind, model: str) -> None:
        """Load or unload a model ('': any) as another worker did, when the lane concerned has no jobs."""
        if kind is Kind.UNLOAD:
            for lane in self._holders(model):
                lane.order(Order(kind, model))
            return
        try:
            needed = self._needed(model)
        except ModelNotFound:
            log.info("%s is not loaded: this machine does not have it", model)
            return
        except MlxqError as error:
            log.error("%s is not loaded: %s", model, error.message)
            self.lanes[0].slot.refuse(model, error)
            return
        with self._routing:
            self._lane_for(model, needed).order(Order(kind, model), needed)

    @property
    def usual(self) -> Periods:
        """How long it has jobs at a time, and then has none."""
        return self.queue.periods.usual

    def pins(self, model: str) -> bool:
        """Whether this model stays once it is loaded."""
        return model == self.preload or model in self._kept()

    def snapshot(self) -> tuple[SlotState, ...]:
        """The slots that hold a model or failed to, the last used first; one of them at least."""
        lanes = sorted(self.lanes, key=lambda lane: lane.occupant.used_at, reverse=True)
        states = [replace(lane.slot.snapshot(), keep=self._memory.stay(lane.occupant)) for lane in lanes]
        return tuple(state for state in states if state.model is not None) or (states[0],)

    def hangs(self, step_timeout: float) -> bool:
        """Whether an engine thread hangs in native code."""
        return any(lane.hangs(step_timeout) for lane in self.lanes)

    def fail_hung(self, step_timeout: float) -> None:
        """Fail what engines hang on; see `Lane`."""
        for lane in self.lanes:
            if lane.hangs(step_timeout):
                lane.fail_hung(step_timeout)

    def close(self, patience: float) -> bool:
        """End the engine threads, which free the models, and the queue's. False when a step still runs."""
        for lane in self.lanes:
            lane.stop()
        deadline = time.monotonic() + patience
        ended = [lane.join(max(0.0, deadline - time.monotonic())) for lane in self.lanes]
        self.queue.close(patience)
        return all(ended)

    # -- what jobs may be taken; see `affinity.Models` -----------------------------------------------------------

    @property
    def ready(self) -> Sequence[str]:
        return [model for lane in self.lanes if (model := lane.model) is not None]

    @property
    def busy(self) -> Sequence[str]:
        return [model for lane in self.lanes if lane.occupant.busy and (model := lane.model) is not None]

    @property
    def load_seconds(self) -> float | None:
        return max((lane.load_seconds for lane in self.lanes if lane.load_seconds is not None), default=None)

    @property
    def free(self) -> int:
        return self._memory.free

    def prospect(self, model: str) -> Prospect:
        try:
            needed = self._needed(model)
        except ModelNotFound:
            return Prospect(Room.ABSENT)
        except MlxqError:
            # Its jobs fail at once, and need no room.
            return Prospect(Room.BESIDE)
        leaving = self._memory.leaving(self.category, needed, pinned=self.pins(model))
        if leaving is None:
            self._memory.end_left()
            return Prospect(Room.LATER, needed=needed)
        if not leaving:
            return Prospect(Room.BESIDE, needed=needed)
        own = [each.model or "" for each in leaving if each.category == self.category]
        return Prospect(Room.INSTEAD, own[0] if own else "", needed)

    # -- parts ---------------------------------------------------------------------------------------------------

    def _holders(self, model: str) -> list[Lane]:
        """The lanes of this model ('': of any)."""
        return [lane for lane in self.lanes if lane.model is not None and model in ("", lane.model)]

    def _needed(self, model: str) -> int:
        """The bytes of a model. Raises MlxqError."""
        if self._holders(model):
            return 0
        asked, needed, at = self._asked
        if asked != model or time.monotonic() - at > _REMEMBERED:
            needed = self.lanes[0].slot.needed(model)
            self._asked = model, needed, time.monotonic()
        return needed

    def _lane_for(self, model: str, needed: int) -> Lane:
        """The lane of this model, or the one that gets it."""
        for lane in self._holders(model):
            return lane
        leaving = self._memory.leaving(self.category, needed, pinned=self.pins(model))
        if leaving is None:
            # Something has come meanwhile. The job waits in the lane until that one's jobs have ended.
            return min(self.lanes, key=lambda lane: lane.occupant.used_at)
        for lane in self.lanes:
            if lane.occupant in leaving:
                return lane
        for lane in self.lanes:
            if lane.model is None and not lane.occupant.busy:
                return lane
        lane = self._new_lane(len(self.lanes) + 1)
        self.lanes = (*self.lanes, lane)
        lane.start()
        return lane

    def _new_lane(self, number: int) -> Lane:
        lane = Lane(
            f"{self.category}-{number}",
            self._make_slot(),
            self.queue,
            self._consumer.record(self.queue),
            self._context,
            self.pins,
            self._hold,
        )
        self._memory.watch([lane.occupant])
        return lane

    def _unload(self, task: Task) -> None:
        """Unload a model ('': all). The job ends when the last of its lanes has done so."""
        lanes = self._holders(task.claim.model)
        left = list(lanes)

        def done() -> None:
            # Several threads: only one of them gets the first lane.
            if left.pop() is lanes[0]:
                self.queue.put([task.ending(LoadResult(status="unloaded"))])

        for lane in lanes:
            lane.order(Order(Kind.UNLOAD, task.claim.model, done))
        if not lanes:
            self.queue.put([task.ending(LoadResult(status="unloaded"))])

    def _hold(self) -> None:
        """Jobs stay in their queue while a lane waits for its own slot."""
        with self._holding:
            self.queue.hold(any(lane.holds for lane in self.lanes))
