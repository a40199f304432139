"""`/v1/system`: the state of the machine, shutdown and restart of the server."""

import logging
import socket
from collections.abc import Callable, Sequence

from fastapi import APIRouter, Depends, Request, Response

from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.context import context_of, jobs_of
from api.http.middleware.security import at_the_machine
from api.http.openapi import gives
from api.mlxgui.dialect import MLXGUI
from api.mlxgui.system.render import system_status, told
from api.mlxgui.system.schema import SystemStatus, Told
from api.models.inventory import inventory
from jobs.commands import RESTART, SHUTDOWN
from jobs.errors import NotSupported
from jobs.worker_state import WorkerState

log = logging.getLogger(__name__)

router = APIRouter(tags=["system"])

#: Ends this process, after which it may start anew.
Halt = Callable[[bool], None]


@router.get(
    "/v1/system/status",
    summary="Memory, device and models",
    response_class=Response,
    openapi_extra=gives(SystemStatus),
)
async def status(request: Request) -> Response:
    context, jobs = context_of(request), jobs_of(request)
    entries = await inventory(context, jobs)
    workers = _of_one_machine(await jobs.workers())
    body = system_status(
        [entry for entry in entries if entry.loaded],
        len(await jobs.waiting()),
        await jobs.live_settings(context.settings),
        next((worker.device for worker in workers if worker.device), None),
        sum(worker.memory.active for worker in workers),
    )
    return json_response(body)


def _of_one_machine(workers: Sequence[WorkerState]) -> list[WorkerState]:
    """Those of this machine; where it has none, those of the first one that has."""
    hosts = [worker.host for worker in workers]
    here = socket.gethostname()
    host = here if here in hosts else next(iter(hosts), "")
    return [worker for worker in workers if worker.host == host]


@router.post(
    "/v1/system/shutdown",
    summary="End the server; running jobs get time to end, or run at the next start",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=gives(Told),
)
async def shutdown(request: Request) -> Response:
    await _halt(request, restart=False)
    return json_response(told("Server shutting down"))


@router.post(
    "/v1/system/restart",
    summary="Start the server anew, with changed settings",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=gives(Told),
)
async def restart(request: Request) -> Response:
    await _halt(request, restart=True)
    return json_response(told("Server restarting with updated settings"))


async def _halt(request: Request, *, restart: bool) -> None:
    """Tell the workers, then this process, which still answers. Raises NotSupported inside another program."""
    halt: Halt | None = getattr(request.app.state, "halt", None)
    if halt is None:
        raise NotSupported("This server runs inside another program, which alone can end it.")
    log.warning("a client wants the server to %s", "start anew" if restart else "end")
    await jobs_of(request).command(RESTART if restart else SHUTDOWN)
    halt(restart)


RESOURCE = Resource(MLXGUI, routers=(router,))
