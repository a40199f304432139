"""Which worker a load or an unload is for: the one that a request names, or the one that a model fits best.

It knows what workers publish. It knows no jobs.
"""

from collections.abc import Collection, Sequence

from jobs import keys
from jobs.client import JobClient
from jobs.errors import Conflict, ModelElsewhere, WorkerNotFound
from jobs.kinds import Category
from jobs.models.inventory import holders
from jobs.redis.errors import told
from jobs.worker_state import WorkerState
from mlxq.catalog import ModelRef

#: Every worker, where a request names one.
EVERY = "all"


async def named_worker(jobs: JobClient, name: str | None) -> str:
    """The name of the worker that a request means; empty: all. Raises WorkerNotFound and Conflict."""
    return "" if name is None or name == EVERY else _named(await jobs.workers(), name)


async def loading_worker(jobs: JobClient, category: Category, ref: ModelRef, name: str | None) -> str:
    """The same of a load: where a request names none, the worker of several that the model fits best.

    That is one that has it in memory, else one that has it on its disk and most memory free for it. Empty: any.
    Raises ModelElsewhere where the worker that is named lacks its files.
    """
    every = await jobs.workers()
    workers = [each for each in every if category in each.slots]
    named = "" if name in (None, EVERY) else _named(every, str(name))
    if name == EVERY or (not named and len(workers) < 2):
        return ""
    with told():
        having = await holders(jobs.redis, [each.name for each in every], ref.base_id)
        if named:
            await _check_files(jobs, next(each for each in every if each.name == named), ref, having)
            return named
    able = [each for each in workers if each.name in having]
    needed = (ref.card.weight_bytes if ref.card else None) or 0

    def fit(worker: WorkerState) -> tuple[bool, bool, int, str]:
        loaded = any(slot.present == ref.id for slot in worker.slots[category])
        return loaded, worker.free >= needed, worker.free, worker.name

    return max(able, key=fit).name if able else ""


async def _check_files(jobs: JobClient, worker: WorkerState, ref: ModelRef, having: Collection[str]) -> None:
    """Raises ModelElsewhere. Models that nobody has are fetched by the server's machine, for itself."""
    # One that has just started has not said yet what it has.
    if worker.name in having or not worker.inventory:
        return
    if having or await jobs.redis.exists(keys.joined(worker.name)):
        raise ModelElsewhere(
            f"The model '{ref.base_id}' is not on '{worker.host or worker.name}': each machine has its own models. "
            "Put its files into a model root of that machine, or leave 'worker' out.",
            param="worker",
        )


def _named(workers: Sequence[WorkerState], name: str) -> str:
    found = [each.name for each in workers if name == each.name] or [
        each.name for each in workers if name == each.host
    ]
    if not found:
        raise WorkerNotFound(f"No worker '{name[:200]}' is running.", param="worker")
    if len(found) > 1:
        raise Conflict(
            f"Several workers run on '{name[:200]}': name one of {', '.join(sorted(found))}.", param="worker"
        )
    return found[0]
