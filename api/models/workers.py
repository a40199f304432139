"""Whether all workers have done what a load or an unload asks for.

One worker takes the job; it tells the others, which obey as soon as they work on nothing else.
"""

import asyncio
from collections.abc import Iterable, Sequence

from api.dispatch.slots import Held, held
from api.models.changed import WorkerChange
from jobs.client import JobClient
from jobs.kinds import Kind

#: Seconds that the others are waited for, and between two looks at them.
PATIENCE = 10.0
_LOOK = 0.05


async def obeyed(
    jobs: JobClient,
    kind: Kind,
    category: str,
    model: str,
    before: Sequence[Held],
    patience: float = PATIENCE,
    worker: str = "",
) -> list[WorkerChange]:
    """What became of a load or an unload of this model ('': any) in each worker; `before` is what they held then.

    Waits a while for those that are busy. The only worker, or the `worker` that alone was asked, has had the job
    itself.
    """

    def done(there: Sequence[str]) -> bool:
        if kind is Kind.LOAD:
            return model in there
        return (bool(model) and model not in there) or not there

    deadline = asyncio.get_running_loop().time() + patience
    while True:
        slots = [
            each for each in await held(jobs) if each.category == category and worker in ("", each.worker)
        ]
        now = _by_worker(slots)
        if len(now) < 2 or all(map(done, now.values())) or asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(_LOOK)
    was = _by_worker(each for each in before if each.category == category)
    rows: list[WorkerChange] = []
    for worker, there in now.items():
        if len(now) > 1 and not done(there):
            busy = model if model in there else next(iter(there), None)
            rows.append({"worker": worker, "model": busy, "status": "busy"})
        elif kind is Kind.LOAD:
            states = [each.slot.state for each in slots if each.worker == worker and each.model == model]
            rows += [{"worker": worker, "model": model, "status": state} for state in states[:1]]
        else:
            freed = [each for each in was.get(worker, ()) if model in ("", each)]
            rows += [{"worker": worker, "model": each, "status": "unloaded"} for each in freed]
            if not freed:
                rows.append({"worker": worker, "model": None, "status": "empty"})
    return rows


def _by_worker(slots: Iterable[Held]) -> dict[str, list[str]]:
    """The models that each worker holds; also the workers that hold none."""
    found: dict[str, list[str]] = {}
    for each in slots:
        found.setdefault(each.worker, []).extend([each.model] if each.model else [])
    return found
