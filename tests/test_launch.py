"""The Procfile under honcho, with small stand-ins for the API, the worker and the downloads."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from config.settings import REPO
from tests.program import Program, is_gone, wait_until_gone

Start = Callable[..., Program]

STAND_IN = """
import os, signal, sys, time
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from config import early
from config.settings import load_settings
from mlxq.launch.process import stop_with_parent

stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
stop_with_parent()
settings = load_settings()
name = __spec__.parent
with redis.Redis.from_url(settings.redis_address, retry=Retry(ConstantBackoff(0.05), 600)) as client:
    client.ping()
    print(name, "is up on port", settings.port, flush=True)
    if name == "worker" and "ASKS" in os.environ:
        os.write(early.downloads_fd(), b"d")
    while not stop:
        time.sleep(0.02)
    client.set("last words of " + name, "written")
print(name, "is done", flush=True)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """The repo as it is, but for the API, the gateway, the worker and the downloads."""
    folder = Path(tempfile.mkdtemp(prefix="mlxq-"))
    for name in ("config", "jobs", "Procfile"):
        (folder / name).symlink_to(REPO / name)
    (folder / "mlxq").mkdir()
    for name in ("__init__.py", "__main__.py", "launch", "catalog"):
        (folder / "mlxq" / name).symlink_to(REPO / "mlxq" / name)
    for name in ("api", "worker", "mlxq/downloads", "mlxq/gateway"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()
        (folder / name / "__main__.py").write_text(STAND_IN)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    started: list[Program] = []

    def run(
        *arguments: str,
        command: tuple[str, ...] = ("-m", "honcho", "start", "--no-colour"),
        **environment: str,
    ) -> Program:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        variables = {
            "MLXQ_DATA_DIR": str(folder / "data"),
            "PATH": path,
            "PYTHONPATH": "",
            "PYTHONUNBUFFERED": "1",  # as the Makefile says
            **environment,
        }
        started.append(Program([sys.executable, *command, *arguments], variables, cwd=str(folder)))
        return started[-1]

    yield run
    for program in started:
        program.kill_tree()


def wait_until_up(program: Program, *more: str) -> list[psutil.Process]:
    waiting = {"api", "worker", *more}
    while waiting:
        waiting.remove(program.line(" is up").partition(" is up")[0].split()[-1])
    return program.tree()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_no_process_and_no_socket(start: Start, folder: Path, number: signal.Signals) -> None:
    program = start()
    tree = wait_until_up(program)
    assert any("redis-server" in process.name() for process in tree)
    program.stop(number)
    assert all(is_gone(process.pid) for process in tree)
    assert [path.name for path in (folder / "data").iterdir()] == ["redis"]


def test_ctrl_c_is_no_error(start: Start) -> None:
    """`make run` would report one."""
    program = start(command=("-m", "mlxq.launch.start", "--no-colour"))
    wait_until_up(program)
    program.send(signal.SIGINT)
    assert program.wait() == 0


def test_all_have_written_before_redis_ends(start: Start, folder: Path) -> None:
    program = start()
    wait_until_up(program)
    program.stop(signal.SIGINT)
    written = b"".join(path.read_bytes() for path in (folder / "data" / "redis").rglob("*.aof"))
    assert written.count(b"last words of") == 2


def test_when_honcho_is_gone_all_of_it_ends(start: Start, folder: Path) -> None:
    program = start()
    tree = wait_until_up(program)
    os.killpg(program.pid, signal.SIGHUP)
    program.wait()
    for process in tree:
        wait_until_gone(process.pid)
    assert not (folder / "data" / "redis.sock").exists()


def test_the_gateway_runs_where_workers_of_other_machines_may_join(start: Start) -> None:
    program = start(JOIN_PORT="8081")
    wait_until_up(program, "mlxq.gateway")


def test_it_does_not_run_where_nobody_has_asked_for_it(start: Start) -> None:
    program = start(JOIN_PORT="0")
    tree = wait_until_up(program)
    assert not [process for process in tree if "mlxq.gateway" in process.cmdline()]


def test_a_killed_worker_comes_back_and_the_others_stay(start: Start) -> None:
    program = start()
    tree = wait_until_up(program)
    worker = next(
        process for process in tree if process.cmdline()[-2:] == ["-m", "worker"] and is_leaf(process)
    )
    worker.kill()
    program.line("starting it again")
    program.line(" worker is up")
    still = {process.pid for process in program.tree()}
    assert {process.pid for process in tree} - still == {worker.pid}


def test_all_lines_share_one_supervisor(start: Start) -> None:
    tree = wait_until_up(start())
    lines = [process for process in tree if "mlxq.launch.line" in process.cmdline()]
    assert len(lines) == 1
    names = {process.cmdline()[-1] for process in lines[0].children()}
    assert {"api", "worker"} <= names


def test_a_killed_supervisor_ends_all_of_it(start: Start, folder: Path) -> None:
    program = start()
    tree = wait_until_up(program)
    others = [process for process in tree if "redis-server" not in process.name()]
    next(process for process in tree if "mlxq.launch.line" in process.cmdline()).kill()
    assert program.wait() != 0
    for process in others:
        wait_until_gone(process.pid)
    again = start("redis")
    again.line("taking over the redis-server that still runs here")
    again.stop()


def test_downloads_start_when_the_worker_asks_and_after_a_crash(start: Start) -> None:
    program = start(ASKS="1")
    program.line("mlxq.downloads is up")
    downloads = next(process for process in program.tree() if "mlxq.downloads" in process.cmdline())
    downloads.kill()
    program.line(f"downloads (pid {downloads.pid}) was killed by SIGKILL; starting it again")
    program.line("mlxq.downloads is up")
    tree = program.tree()
    program.stop()
    assert all(is_gone(process.pid) for process in tree)


def is_leaf(process: psutil.Process) -> bool:
    return not process.children()


def test_a_wrong_setting_ends_all_of_it(start: Start) -> None:
    program = start(QUEUE_LIMIT="none")
    program.line("mlxq: QUEUE_LIMIT='none' is wrong")
    assert program.wait() == 2


@pytest.mark.parametrize(
    ("environment", "port"),
    [
        ({}, 8080),
        ({"PORT": "9001"}, 9001),
        ({"MLX_GUI_PORT": "9002"}, 9002),
        ({"PORT": "9001", "MLX_GUI_PORT": "9002"}, 9001),
        ({"PORT": "65535"}, 65535),
    ],
)
def test_the_api_gets_the_port_of_the_user(start: Start, environment: dict[str, str], port: int) -> None:
    assert start("api", "redis", **environment).line("api is up").endswith(f"on port {port}")


def test_without_supervision_the_programs_run_alone(start: Start) -> None:
    program = start(SUPERVISE="0")
    tree = wait_until_up(program)
    assert not any("mlxq.launch.supervisor" in process.cmdline() for process in tree)
    program.stop()
    assert all(is_gone(process.pid) for process in tree)
