"""What `/v1/events` says of jobs and workers."""

from collections.abc import Iterable
from hashlib import sha1
from typing import cast

import msgspec

from api.dispatch.artifacts import file_url
from api.dispatch.job_schema import JobProgress
from api.http.callers.caller import Caller
from api.native.events.schema import LiveOrder, LiveProgress, LiveSlot, LiveWorker
from api.native.queue.schema import QueueName
from jobs.overview import Order, Running
from jobs.worker_state import SlotState, WorkerState


def live_progress(now: Running) -> LiveProgress:
    progress = None if now.progress is None else cast(JobProgress, msgspec.to_builtins(now.progress))
    return {
        "id": now.job_id,
        "progress": progress,
        "eta": now.eta,
        "tokens_per_second": now.tokens_per_second,
        "preview": None if now.newest is None else file_url("", now.job_id, now.newest),
    }


def live_order(order: Order, caller: Caller) -> LiveOrder:
    """What this caller may see of it."""
    etas = order.etas or (None,) * len(order.jobs)
    places = [
        (job_id, place, eta)
        for place, (job_id, owner, eta) in enumerate(
            zip(order.jobs, order.owners, etas, strict=True), start=1
        )
        if caller.sees(owner)
    ]
    return {
        "queue": cast(QueueName, order.queue),
        "jobs": [job_id for job_id, _, _ in places],
        "positions": [place for _, place, _ in places],
        "etas": [eta for _, _, eta in places],
    }


def live_workers(workers: Iterable[WorkerState]) -> list[LiveWorker]:
    return [
        {
            "name": each.name,
            "host": each.host,
            "budget": each.budget,
            "started_at": each.started_at,
            "slots": {category: [_slot(slot) for slot in slots] for category, slots in each.slots.items()},
            "memory": {"active": each.memory.active, "peak": each.memory.peak, "cache": each.memory.cache},
            "device": None
            if each.device is None
            else {"gpu": each.device.gpu, "name": each.device.name, "memory_bytes": each.device.memory_bytes},
            "trouble": list(each.trouble),
        }
        for each in workers
    ]


def _slot(slot: SlotState) -> LiveSlot:
    return {
        "model": slot.model,
        "state": slot.state,
        "error": slot.error,
        "context_length": slot.context_length,
        "memory_bytes": slot.memory_bytes,
        "loaded_at": slot.loaded_at,
    }


def revision(workers: Iterable[WorkerState]) -> str:
    """Changes when the models of a worker do."""
    words = " ".join(sorted(f"{each.name}={each.inventory}" for each in workers))
    return sha1(words.encode(), usedforsecurity=False).hexdigest()[:12]
