"""Several machines on one queue: workers with data folders, models and cables of their own, and API processes.

All are processes of this machine. What one of them computes is up to the engine of `stand_in`.
"""

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import httpx
import redis

from jobs import keys
from jobs.worker_state import decode_state
from mlxq.gateway.certificate import certificate_of
from mlxq.gateway.join_keys import make
from tests.machines.namespace import Namespace
from tests.machines.relay import Relay
from tests.machines.stand_in import counted
from tests.support.ports import free_port, free_ports
from tests.support.standing import stand_still
from tests.support.stories import check_whole, submit
from tests.support.system import REPO, System

MODEL = "first"


class Machine:
    """A worker whose cable leads to the Redis of a site."""

    def __init__(
        self, site: "Site", name: str, module: str, namespace: Namespace | None, settings: dict[str, object]
    ) -> None:
        folder = site.folder / name
        shutil.copytree(site.checkpoint, folder / "models" / MODEL)
        self.name = name
        self._open = ExitStack()
        # A machine of its own has an address of its own: the ports of a gateway are the same at each of them.
        address = f"127.0.0.{10 + len(site.machines)}" if site.join_key else "127.0.0.1"
        if namespace is not None:
            address = self._open.enter_context(namespace).address
        self._namespace = namespace
        self.cable = self._open.enter_context(site.cable(address))
        self._site = site
        self._module = module
        self._environment = {
            **site.environment,
            **site.way(address, self.cable),
            "MLXQ_DATA_DIR": str(folder / "data"),
            "HF_HUB_CACHE": str(folder / "hub"),
            "MODEL_ROOTS": str(folder / "models"),
            "LLM_MODEL": MODEL,
            **{key: str(value) for key, value in settings.items()},
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        before = () if self._namespace is None else self._namespace.command
        with self._site.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*before, sys.executable, "-m", self._module],
                cwd=REPO,
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def close(self) -> None:
        if self.process is not None:
            # One that is asleep ends too.
            self.kill()
        self._open.close()

    @property
    def ready(self) -> bool:
        """Whether its worker has its model, and says so."""
        for name in cast(set[bytes], self._site.connection.smembers(keys.WORKER_STATES)):
            said = cast(bytes | None, self._site.connection.get(keys.worker_state(name.decode())))
            state = decode_state(said or b"")
            if state is not None and self.process is not None and state.pid == self.process.pid:
                return any(slot.state == "loaded" for slot in state.slots.get("llm", ()))
        return False

    def jobs(self) -> list[str]:
        """The jobs that it runs, by their leases."""
        return [job_id for job_id, name in self._site.running().items() if self.owns(name)]

    def owns(self, worker: str) -> bool:
        """Whether that is the name of its worker."""
        return self.process is not None and f".{self.process.pid}." in worker

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(60)
        self.process = None

    def stop(self) -> int:
        """SIGTERM, as a stop by hand; returns the exit code."""
        self._signal(signal.SIGTERM)
        assert self.process is not None
        code = self.process.wait(60)
        self.process = None
        return code

    def unplug(self) -> None:
        if self._namespace is None:
            self.cable.cut()
        else:
            self._namespace.unplug()

    def plug_in(self) -> None:
        if self._namespace is None:
            self.cable.mend()
        else:
            self._namespace.plug_in()

    def fall_asleep(self) -> None:
        assert self.process is not None
        stand_still(self.process)

    def wake(self) -> None:
        """It wakes an hour later by its own clock."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None, f"{self.name} does not run"
        self.process.send_signal(number)


class Site(System):
    """Use as a context manager, and `add` machines. What jobs do is a script of `stand_in`."""

    def __init__(
        self, folder: Path, checkpoint: Path, apis: int = 1, password: str = "", **settings: object
    ) -> None:
        """`password`: of Redis, which is then known by an address, that of `entrance`, and not by its socket."""
        front = folder / "front"
        front.mkdir(parents=True)
        usual = {"LLM_MODEL": MODEL, "QUEUE_LIMIT": 10_000, "PROMPT_CACHE_DISK_GB": 0}
        super().__init__(front, MODEL, **{**usual, **settings})
        self.folder = folder
        self.checkpoint = checkpoint
        self.machines: list[Machine] = []
        #: where there is a gateway, the key of it that machines join with
        self.join_key = ""
        self.gateway: subprocess.Popen[bytes] | None = None
        self.entrance = Relay(self.redis.plan.socket) if password else None
        self._password = password
        self.connection: redis.Redis = redis.Redis.from_url(self.redis.url)
        #: further API processes, by their ports
        self.others: dict[int, subprocess.Popen[bytes] | None] = {free_port(): None for _ in range(apis - 1)}

    @property
    def environment(self) -> dict[str, str]:
        return self._environment

    def __enter__(self) -> "Site":
        try:
            self.redis.start()
            if self.entrance is not None:
                self.entrance.__enter__()
                self.connection.config_set("requirepass", self._password)
                self.connection.close()
                self.connection = redis.Redis.from_url(self.redis.url, password=self._password)
                self._environment["REDIS_URL"] = self._address(self.entrance.ports[0])
            self.start_api()
            for port in self.others:
                self.start_other(port)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def add(
        self,
        name: str,
        module: str = "tests.machines.stand_in",
        namespace: Namespace | None = None,
        **settings: object,
    ) -> Machine:
        """A machine whose worker starts; `wait_ready` waits for it."""
        machine = Machine(self, name, module, namespace, settings)
        self.machines.append(machine)
        machine.start()
        return machine

    def wait_ready(self, *machines: Machine) -> None:
        """All of them, by default those of the site."""
        for machine in machines or self.machines:
            self.wait_until(lambda machine=machine: machine.ready, f"{machine.name} does not get ready")
        self.wait_until(self._has_model, "no machine has the model")

    def _has_model(self) -> bool:
        return self.http.get(f"/v1/models/{MODEL}").status_code == 200

    def start_other(self, port: int) -> None:
        """One of the further API processes."""
        with self.log.open("ab") as log:
            self.others[port] = subprocess.Popen(
                [sys.executable, "-m", "api"],
                cwd=REPO,
                env={**self._environment, "PORT": str(port)},
                stdout=log,
                stderr=log,
            )
        self.wait_until(lambda: _listens(port), "the other API does not answer")

    def kill_other(self, port: int) -> None:
        self._end(self.others[port], signal.SIGKILL)
        self.others[port] = None

    def open_gateway(self, module: str = "mlxq.gateway") -> None:
        """Machines that are added from now on join by a gateway, as this module runs it."""
        if not self.join_key:
            self._environment |= {"JOIN_PORT": str(free_ports(2)), "JOIN_HOST": "127.0.0.1"}
            fingerprint = certificate_of(self.redis.data_dir).fingerprint
            self.join_key = str(make(self.connection, "site", fingerprint))
        self.gateway = self._spawn(module)
        self.wait_until(lambda: _listens(self._join_port + 1), "the gateway does not listen")

    def kill_gateway(self) -> None:
        self._end(self.gateway, signal.SIGKILL)
        self.gateway = None

    @property
    def _join_port(self) -> int:
        return int(self._environment["JOIN_PORT"])

    def cable(self, address: str) -> Relay:
        """From an address to the gateway, or to Redis where there is none."""
        if self.entrance is not None:
            return Relay(("127.0.0.1", self.entrance.ports[0]), address=address)
        if not self.join_key:
            return Relay(self.redis.plan.socket, address=address)
        ports = (self._join_port, self._join_port + 1)
        return Relay(*(("127.0.0.1", port) for port in ports), address=address, ports=ports)

    def way(self, address: str, cable: Relay) -> dict[str, str]:
        """The settings by which a machine finds the other end of its cable."""
        if not self.join_key:
            return {"REDIS_URL": self._address(cable.ports[0], address)}
        return {
            "REDIS_URL": "",
            "MLXQ_JOIN": f"https://{address}:{cable.ports[0]}",
            "MLXQ_JOIN_KEY": self.join_key,
        }

    def _address(self, port: int, host: str = "127.0.0.1") -> str:
        """Of Redis behind a relay."""
        return f"redis://{f':{quote(self._password)}@' if self._password else ''}{host}:{port}"

    def stop(self) -> None:
        for machine in self.machines:
            machine.close()
        self.machines = []
        for port, process in self.others.items():
            if process is not None:
                self.kill_other(port)
        if self.gateway is not None:
            self.kill_gateway()
        if self.entrance is not None:
            self.entrance.__exit__()
        self.connection.close()
        super().stop()

    # -- jobs --------------------------------------------------------------------------------------------------------

    def send(self, steps: int = 3, pace: float = 0.01, hold: Path | None = None, **options: Any) -> str:
        """Hand in a job; see `stand_in`. Returns its id."""
        script: dict[str, Any] = {"steps": steps, "pace": pace}
        if hold is not None:
            script["hold"] = str(hold)
        try:
            return submit(self, json.dumps(script), **options)
        except AssertionError:
            # Where all machines are late, nobody has the model for a moment.
            self.wait_until(self._has_model, "no machine has the model")
            return submit(self, json.dumps(script), **options)

    def running(self) -> dict[str, str]:
        """Jobs that run, with the names of their workers."""
        found = {}
        for member in cast(list[bytes], self.connection.zrange(keys.started("llm"), 0, -1)):
            job_id = member.decode().partition(":")[0]
            worker = self.connection.hget(keys.job(job_id), "worker_name")
            found[job_id] = worker.decode() if isinstance(worker, bytes) else ""
        return found

    def check_once(self, jobs: Sequence[str], steps: int) -> None:
        """Each of these ends, with its whole answer, and not twice."""
        for job_id in jobs:
            # One long poll instead of many short ones.
            self.http.get(f"/v1/jobs/{job_id}", params={"wait": 30})
            check_whole(self, job_id, counted(steps))
            assert self.connection.xlen(keys.results(job_id)) == 1

    def crashes(self, job_id: str) -> int:
        """How many crashes of workers are charged to a job."""
        found: Any = self.connection.hget(keys.job(job_id), "mlxq_crashes")
        return int(found or 0)


def client_of(port: int) -> httpx.Client:
    """A client of an API process."""
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
