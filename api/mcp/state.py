"""`list_models` and `queue_status`: what is there, what waits and runs, and what became of a job."""

import asyncio

from api.dispatch.call import next_event
from api.dispatch.job_object import shown
from api.dispatch.ownership import visible_job
from api.dispatch.renderers import renderers_of
from api.http.answers.disconnect import while_connected
from api.http.context import context_of, jobs_of
from api.http.middleware.forwarded import base_of
from api.mcp.arguments import string
from api.mcp.call import ToolCall
from api.mcp.content import Content, Text, as_json, contents
from api.mcp.progress import Notifier
from api.models.inventory import inventory
from jobs.errors import InvalidRequest
from jobs.info import JobInfo
from jobs.kinds import KINDS, Kind

#: Seconds that `queue_status` waits at most.
LONGEST_WAIT = 60


async def list_models(call: ToolCall) -> list[Content]:
    wanted = string(call.arguments, "type")
    entries = await inventory(context_of(call.request), jobs_of(call.request))
    rows = [
        {"id": each.id, "type": each.category, "state": each.state}
        for each in entries
        if wanted in ("", each.category)
    ]
    return [as_json({"models": rows})]


async def queue_status(call: ToolCall) -> list[Content]:
    job_id, wait = string(call.arguments, "job_id"), _seconds(call)
    if not job_id:
        stats = await jobs_of(call.request).stats()
        rows = {
            name: {
                "waiting": queue.waiting,
                "running": queue.running,
                "median_wait_seconds": queue.median_wait,
            }
            for name, queue in stats.items()
        }
        return [as_json({"queues": rows})]
    if wait:
        await _wait(call, job_id, wait)
    info = await visible_job(call.request, job_id, with_result=True)
    if info.error is not None:
        raise info.error
    made = await asyncio.to_thread(_made, call, info)
    state = shown(call.request, info)
    told = {name: state.get(name) for name in ("id", "status", "position", "eta", "progress")}
    return [as_json(told), *made]


def _made(call: ToolCall, info: JobInfo) -> list[Content]:
    """What the job has made, if it is one that a tool can have made."""
    if info.result is None or info.kind not in KINDS:
        return []
    renderer = renderers_of(call.request).find(info.dialect, Kind(info.kind))
    answered = renderer.answered(info.id, info.meta, info.result, base_of(call.request))
    found = contents(call.request, answered)
    return [Text("Its result is none that these tools return.")] if found is None else found


async def _wait(call: ToolCall, job_id: str, seconds: float) -> None:
    """Until the job has ended or the time is over."""
    if (await visible_job(call.request, job_id)).status.terminal:
        return
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    async with jobs_of(call.request).watch(job_id) as watch, while_connected(call.request.receive):
        notifier = Notifier(watch, call.tell)
        while (left := deadline - clock()) > 0:
            entry = await next_event(watch, left)
            if entry is None or entry.terminal:
                return
            await notifier.hear(entry.event)


def _seconds(call: ToolCall) -> float:
    value = call.arguments.get("wait", 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_WAIT:
        raise InvalidRequest(f"Invalid 'wait': it must be a number from 0 to {LONGEST_WAIT}.", param="wait")
    return float(value)
