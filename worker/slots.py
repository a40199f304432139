"""A slot: a place for one model in memory.

Loading, running and freeing happen on the lane's engine thread; other threads only read `snapshot`.
"""

import gc
import logging
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from config.settings import Settings
from jobs.errors import EngineFailure, InvalidRequest, MlxqError, ModelNotFound, OutOfMemory
from jobs.kinds import Category
from jobs.redis.clock import CLOCK
from jobs.worker_state import SlotState
from mlxq.catalog import Catalog, ModelRef, UnknownModel
from mlxq.catalog.size import model_size
from worker import heap
from worker.device import device
from worker.engines import Loader
from worker.engines.base import BoundedEngine, CachingEngine, Engine
from worker.guard.sizes import check_sizes
from worker.memory import Memory, Occupant, is_out_of_memory

log = logging.getLogger(__name__)

#: MLX-GUI's words for a machine where MLX cannot be used.
NO_MLX = "❌ MLX requires Apple Silicon (M1/M2/M3) hardware"

#: Categories whose models compute in float32 on a CPU, whatever their files hold.
WIDENED = (Category.LLM, Category.EMBEDDING)


class Slot:
    """A place for a model of one category."""

    def __init__(
        self,
        category: Category,
        loader: Loader,
        settings: Settings,
        catalog: Catalog,
        memory: Memory,
        on_change: Callable[[], None],
        set_device_limits: Callable[[], None],
    ) -> None:
        """`memory` decides whether a model has room. `on_change` is called after each change.

        `set_device_limits` sets the device's limits, which libraries change while they load and unload.
        """
        self.category = category
        self._memory = memory
        self._set_device_limits = set_device_limits
        self.engine: Engine[Any] | None = None
        self._loader = loader
        self._settings = settings
        self._catalog = catalog
        self._on_change = on_change
        self._lock = threading.Lock()
        self._state = SlotState()

    @property
    def model(self) -> str | None:
        """The id of the model that is loaded."""
        return self._state.model if self.engine is not None else None

    @property
    def memory_bytes(self) -> int:
        """Bytes of the model that is loaded."""
        return self._state.memory_bytes or 0 if self.engine is not None else 0

    @property
    def cache_bytes(self) -> int:
        """Bytes of the engine's cache."""
        engine = self.engine
        return engine.cache_bytes if isinstance(engine, CachingEngine) else 0

    def clear_cache(self, wanted: int | None = None) -> None:
        """Free so many bytes of the engine's cache, by default all. Any thread may call it."""
        engine = self.engine
        if isinstance(engine, CachingEngine):
            engine.clear_cache(wanted)
            _clear_cache()

    def snapshot(self) -> SlotState:
        with self._lock:
            return self._state

    def needed(self, model_id: str) -> int:
        """Bytes of memory that this model needs. Raises MlxqError for one that can't be loaded. For any thread."""
        return self._find(model_id)[1]

    def refuse(self, model_id: str, error: MlxqError) -> None:
        """Show why this model is not loaded, if nothing else is in the slot. For any thread."""
        with self._lock:
            free = self.engine is None and self._state.state != "loading"
        if free:
            self._set(SlotState(model=model_id, state="error", error=error.message))

    def load(self, model_id: str, occupant: Occupant) -> Engine[Any]:
        """The engine of that model; unloads the one before it. `occupant` is this slot. Raises MlxqError."""
        if self.engine is not None and self.model == model_id:
            return self.engine
        # A model that cannot fit must not cost the slot its present one.
        ref, needed = self._find(model_id)
        self.unload()
        self._set(SlotState(model=ref.id, state="loading"))
        log.info("loading %s into the %s slot", ref.id, self.category)
        try:
            with self._memory.room(occupant, ref.id, needed, pinned=occupant.pins(ref.id)):
                engine = self._loader(ref, self._settings)
        except Exception as error:
            failure = _load_failure(ref, error)
            log.error("%s", failure.message, exc_info=error)
            self._free()
            self._set(SlotState(model=ref.id, state="error", error=failure.message))
            raise failure from error
        self.engine = engine
        # What only the load needed, such as weights before they were widened.
        _clear_cache()
        if isinstance(engine, BoundedEngine):
            engine.bound(self._memory.headroom(occupant))
        self._set_device_limits()
        self._set(
            SlotState(
                model=ref.id,
                state="loaded",
                context_length=engine.context_length,
                memory_bytes=engine.memory_bytes,
                loaded_at=CLOCK.iso(),
                asked_at=CLOCK.now(),
            )
        )
        log.info("%s is loaded", ref.id)
        return engine

    def unload(self) -> None:
        """Empty the slot and free its memory."""
        engine, self.engine = self.engine, None
        if engine is not None:
            try:
                engine.close()
            except Exception:  # a broken engine must not prevent the next load
                log.exception("%s did not close cleanly", self._state.model)
            del engine
            self._set_device_limits()
            log.info("the %s slot is empty", self.category)
        self._free()
        self._set(SlotState())

    def close(self) -> None:
        """Unload, and free this thread's streams: a thread that used MLX must not end with them."""
        self.unload()
        if not device().mlx:
            return
        import mlx.core as mx

        mx.synchronize()
        mx.clear_streams()

    def _find(self, model_id: str) -> tuple[ModelRef, int]:
        """The model, and the bytes that it needs. Raises MlxqError."""
        try:
            ref = self._catalog.resolve(model_id, self.category)
        except UnknownModel as error:
            raise ModelNotFound(str(error), param="model") from error
        if ref.path is None:
            raise ModelNotFound(f"The model '{ref.id}' is not installed.", param="model")
        if ref.fault is not None:
            raise InvalidRequest(
                f"The model '{ref.id}' can't be used. {ref.fault.reason}", param="model", code=ref.fault.code
            )
        if not device().mlx:
            raise InvalidRequest(NO_MLX, param="model", code="mlx_not_compatible")
        check_sizes(ref)
        size = model_size(ref.path)
        widened = self.category in WIDENED and not device().gpu
        needed = (size.float32_bytes if widened else size.weight_bytes) or 0
        self._memory.check(needed)
        return ref, needed

    def asked(self) -> None:
        """The model that is loaded was asked to be loaded again."""
        self._set(msgspec.structs.replace(self._state, asked_at=CLOCK.now()))

    def _set(self, state: SlotState) -> None:
        with self._lock:
            self._state = state
        self._on_change()

    @staticmethod
    def _free() -> None:
        """Return freed buffers to the system: Python's cycles first, then MLX' cache, then the heap."""
        gc.collect()
        _clear_cache()
        heap.trim()


def _clear_cache() -> None:
    if device().mlx:
        import mlx.core as mx

        mx.clear_cache()


def _load_failure(ref: ModelRef, error: Exception) -> MlxqError:
    if isinstance(error, MlxqError):
        return error
    if is_out_of_memory(error):
        return OutOfMemory(f"There is not enough memory to load the model '{ref.id}'.")
    return EngineFailure(f"The model '{ref.id}' could not be loaded ({type(error).__name__}).")
