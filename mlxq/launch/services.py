"""The services of mlxq, as a supervisor runs them: Redis, the API, the worker, and the downloads on demand.

With the API comes the gateway, if workers of other machines may join.

A specification is a list of words that names a service: `api`, `worker`, `redis` with the arguments of its plan, or
`redis` alone for that of REDIS_URL.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence

from config import early
from mlxq.launch import redis_server
from mlxq.launch.child import Command
from mlxq.launch.process import WRONG_SETTING
from mlxq.launch.supervisor import Service, Supervisor

#: All exit codes: nothing is started again.
_ANY = range(-64, 256)


def specification(name: str) -> list[str] | None:
    """That of a service by its name, without a look at the settings; None where they have to be read."""
    if name != "redis":
        return [name]
    plan = redis_server.usual_plan()
    return [name, *redis_server.arguments_of(plan)] if plan else None


def read_specification(name: str) -> list[str]:
    """The same by all settings. A wrong one ends this process."""
    return [name, *redis_server.plan_arguments()] if name == "redis" else [name]


def add(
    supervisor: Supervisor,
    specification: Sequence[str],
    environment: Mapping[str, str] = os.environ,
    output: tuple[int, int] | None = None,
) -> Service:
    """Give the supervisor a service. `output`: descriptors for its stdout and stderr; None for our own."""
    name, *arguments = specification

    def command(module: str, *options: str, pass_fds: Sequence[int] = ()) -> Callable[[], Command]:
        argv = [sys.executable, "-m", module, *options]
        return lambda: Command(argv, {**environment, **more}, output, pass_fds)

    final = (0, WRONG_SETTING) if early.supervise() else _ANY
    more: dict[str, str] = {}
    if name == "redis" and arguments:
        service = redis_server.service(redis_server.plan_of(arguments))
    elif name == "redis":
        service = Service(name, command("mlxq.launch.redis_remote"), may_rest=True)
    elif name == "api":
        service = Service(name, command("api"), final=final)
        if early.takes_workers(environment):
            supervisor.add(Service("gateway", command("mlxq.gateway"), final=final))
    elif name == "worker":
        pipes: tuple[int, ...] = ()
        # What a joined worker lacks, its server's machine fetches for itself.
        if not early.joins(environment):
            downloads = command("mlxq.downloads", "--on-demand")
            asks = _on_demand(supervisor, Service("downloads", downloads, final=final, may_rest=True))
            more[early.DOWNLOADS_FD] = str(asks)
            pipes = (asks,)
        service = Service(name, command("worker", pass_fds=pipes), final=final)
    else:
        raise ValueError(f"no service is called {name}")
    supervisor.add(service)
    return service


def _on_demand(supervisor: Supervisor, service: Service) -> int:
    """Let a byte that comes through a pipe start the service, if it rests; returns the pipe's end for writing."""
    reader, writer = os.pipe()
    for end in (reader, writer):
        os.set_blocking(end, False)

    def asked() -> None:
        os.read(reader, 4096)
        supervisor.want(service)

    supervisor.add(service, rests=True)
    supervisor.on_readable(reader, asked)
    return writer
