"""Publishes the models of this machine, and deletes them where the API asks for it, on a thread of its own.

A slow disk thus delays neither leases nor commands. It does not know which jobs need a model.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable

import redis
from redis.exceptions import RedisError

from config.settings import Settings
from jobs.errors import EngineFailure, MlxqError
from jobs.models.inventory import InventoryWriter
from jobs.models.orders import Answer, Order, send_answer
from mlxq.catalog.disk_inventory import DiskInventory
from mlxq.catalog.removal import Removal

log = logging.getLogger(__name__)

#: Seconds between two looks at the disk, and how many times longer than a look they are at least.
_PAUSE, _REST = 3.0, 100


class InventoryThread:
    """Call `start`, and `close` at the end. `revision` is that of what is published, empty before."""

    def __init__(
        self, settings: Settings, connection: redis.Redis, worker: str, on_change: Callable[[], None]
    ) -> None:
        """`on_change` publishes the worker's state with the new revision, on this thread."""
        self._worker = worker
        self._redis = connection
        self._writer = InventoryWriter(connection, worker)
        self._disk = DiskInventory(settings)
        self._removal = Removal(settings)
        self._on_change = on_change
        self._orders: queue.Queue[Order | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="inventory", daemon=True)

    @property
    def revision(self) -> str:
        return self._writer.revision

    def start(self) -> None:
        self._thread.start()

    def take(self, order: Order) -> None:
        """Carry it out soon."""
        self._orders.put(order)

    def close(self, patience: float) -> None:
        self._orders.put(None)
        self._thread.join(patience)

    def _run(self) -> None:
        pause = 0.0
        while True:
            orders = self._wait(pause)
            if None in orders:
                return
            answers = [(order, self._obey(order)) for order in orders if order is not None]
            began = time.monotonic()
            try:
                if self._writer.write(self._disk.look()):
                    self._on_change()
                for order, said in answers:
                    send_answer(self._redis, order, said)
            except (RedisError, OSError) as error:
                log.warning("the models could not be published: %s", type(error).__name__)
            except Exception:  # a model's files must not end the thread
                log.exception("the models could not be read")
            pause = max(_PAUSE, _REST * (time.monotonic() - began))

    def _wait(self, pause: float) -> list[Order | None]:
        """The orders that have come; none after a pause."""
        orders: list[Order | None] = []
        with contextlib.suppress(queue.Empty):
            orders.append(self._orders.get(timeout=pause) if pause else self._orders.get_nowait())
            while True:
                orders.append(self._orders.get_nowait())
        return orders

    def _obey(self, order: Order) -> Answer:
        found = True
        error: MlxqError | None = None
        try:
            match order.verb:
                case "delete":
                    found = self._removal.delete(order.model, files=order.files)
                case "restore":
                    self._removal.restore(order.model)
                case "look":
                    pass
        except MlxqError as failure:
            error = failure
        except OSError as failure:
            log.error("%s: %s", order.model, failure)
            error = EngineFailure(f"The disk of a worker refuses it ({type(failure).__name__}).")
        return Answer(self._worker, found, None if error is None else error.fields())
