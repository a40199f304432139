"""Whether all workers have done what a load or an unload asks for.

One worker takes the job; it tells the others, which obey as soon as they work on nothing else.
"""

import asyncio
from collections.abc import Sequence

from api.dispatch.slots import Held, held
from api.models.changed import WorkerChange
from jobs.client import JobClient
from jobs.kinds import Kind

#: Seconds that the others are waited for, and between two looks at them.
PATIENCE = 10.0
_LOOK = 0.05


async def obeyed(
    jobs: JobClient, kind: Kind, category: str, model: str, before: Sequence[Held], patience: float = PATIENCE
) -> list[WorkerChange]:
    """What became of a load or an unload of this model ('': any) in each worker; `before` is what they held then.

    Waits a while for those that are busy; the only worker has had the job itself.
    """

    def done(there: str | None) -> bool:
        if kind is Kind.LOAD:
            return there == model
        return there is None or model not in ("", there)

    deadline = asyncio.get_running_loop().time() + patience
    while True:
        now = [each for each in await held(jobs) if each.category == category]
        if (
            len(now) < 2
            or all(done(each.model) for each in now)
            or asyncio.get_running_loop().time() > deadline
        ):
            break
        await asyncio.sleep(_LOOK)
    was = {each.worker: each.model for each in before if each.category == category}
    return [_row(kind, each, was.get(each.worker), len(now) < 2 or done(each.model), model) for each in now]


def _row(kind: Kind, now: Held, before: str | None, done: bool, model: str) -> WorkerChange:
    if not done:
        return {"worker": now.worker, "model": now.model, "status": "busy"}
    if kind is Kind.LOAD:
        return {"worker": now.worker, "model": now.model, "status": now.slot.state}
    freed = before if before is not None and model in ("", before) else None
    return {"worker": now.worker, "model": freed, "status": "empty" if freed is None else "unloaded"}
