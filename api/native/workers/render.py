"""Workers as `/v1/workers` shows them."""

from datetime import datetime

from api.dispatch.renderers import Renderers
from api.http.callers.caller import Caller
from api.native.workers.schema import WorkerJob, WorkerModel, WorkerRow, WorkerStatus
from jobs.info import JobInfo
from jobs.refused import Refusal
from jobs.roster import Present
from jobs.worker_state import WorkerState


def worker_row(renderers: Renderers, present: Present, caller: Caller) -> WorkerRow:
    state = present.state
    return {
        "id": present.name,
        "object": "worker",
        "status": _status(state),
        "host": state.host if state else present.name.rsplit(".", 2)[0],
        "version": state.version if state else "",
        "chip": state.chip if state else "",
        "gpu": bool(state and state.device and state.device.gpu),
        "memory": {
            "machine": state.machine_bytes,
            "budget": state.budget,
            "free": state.free,
            "active": state.memory.active,
            "cache": state.memory.cache,
        }
        if state
        else None,
        "started_at": round(datetime.fromisoformat(state.started_at).timestamp(), 3) if state else None,
        "last_beat": round(present.beat, 3),
        "models": _models(state) if state else [],
        "installed": list(present.installed),
        "running": len(present.running),
        "jobs": [_job(renderers, info) for info in present.running if caller.sees(info.owner)],
        "capacity": dict(state.capacity) if state else {},
        "joined_by": present.key or None,
        "trouble": list(state.trouble) if state else [],
    }


def refused_row(host: str, refusal: Refusal) -> WorkerRow:
    """One that was not let in."""
    return {
        "id": host,
        "object": "worker",
        "status": "incompatible",
        "host": host,
        "version": refusal.version,
        "chip": "",
        "gpu": False,
        "memory": None,
        "started_at": None,
        "last_beat": round(refusal.at, 3),
        "models": [],
        "installed": [],
        "running": 0,
        "jobs": [],
        "capacity": {},
        "joined_by": None,
        "trouble": [refusal.reason],
    }


def _status(state: WorkerState | None) -> WorkerStatus:
    if state is None:
        return "incompatible"
    return "ready" if state.rest is None else "resting"


def _models(state: WorkerState) -> list[WorkerModel]:
    return [
        {
            "id": slot.model,
            "type": category,
            "state": slot.state,
            "bytes": slot.memory_bytes,
            "error": slot.error,
        }
        for category, slots in state.slots.items()
        for slot in slots
        if slot.model is not None and slot.state != "empty"
    ]


def _job(renderers: Renderers, info: JobInfo) -> WorkerJob:
    renderer = renderers.find(info.dialect, info.kind)
    return {
        "id": info.id,
        "kind": renderer.name or info.kind,
        "queue": info.queue,
        "model": renderer.noted(info.meta).model,
        "app": info.app,
    }
