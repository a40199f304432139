"""The embedded Redis: `python -m mlxq.launch.redis_server` runs a private redis-server on a unix socket.

It knows the server's options, its files and how it ends; it does not know what is stored. Data lives in
`<data_dir>/redis`. Two locks there tell who is alive, whatever was killed and how: `owner.lock` is held by
this process, `server.lock` by the redis-server, which inherits it. A redis-server whose owner was killed is
adopted by the next one. With REDIS_URL set nothing is started: see `redis_remote`.
"""

import contextlib
import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from config import early
from mlxq.launch.child import CannotStart, ending
from mlxq.launch.disk_sync import DiskSync
from mlxq.launch.process import say
from mlxq.launch.redis_binary import RedisUnusableError, check_files, find_binary
from mlxq.launch.supervisor import Backoff, Service, SignalWaiter, Supervisor

_LOG_MAX = 1_000_000
#: Seconds that clients have to leave once their own drain is over. honcho kills half a second later.
_AFTER_DRAIN = 0.5


class Plan(NamedTuple):
    """What it takes to run one embedded Redis."""

    data_dir: Path
    socket: Path
    maxmemory_mb: int = 1024
    #: How long a stop waits for the clients to leave, in seconds.
    patience: float = 0.0

    @property
    def directory(self) -> Path:
        return self.data_dir / "redis"

    @property
    def log(self) -> Path:
        return self.directory / "redis.log"

    def options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "daemonize": "no",
            "loglevel": "warning",
            "save": "",
            "appendonly": "yes",
            # DiskSync does that.
            "appendfsync": "no",
            "aof-use-rdb-preamble": "yes",
            "aof-load-truncated": "yes",
            "auto-aof-rewrite-percentage": "100",
            "auto-aof-rewrite-min-size": "32mb",
            "maxmemory": f"{self.maxmemory_mb}mb",
            "maxmemory-policy": "noeviction",
        }
        # A message of thousands of vectors is longer than the 32 MB after which Redis drops a subscriber.
        patience = ["--client-output-buffer-limit", "pubsub", "256mb", "128mb", "60"]
        return [part for name, value in options.items() for part in (f"--{name}", value)] + patience


def ask(path: Path, command: str, timeout: float = 1.0) -> str:
    """One inline command to the server at a socket. Raises OSError; an error reply is returned."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(str(path))
        connection.sendall(f"{command}\r\n".encode())
        with connection.makefile("rb") as reply:
            head = reply.readline().decode()
            return reply.read(int(head[1:])).decode() if head.startswith("$") else head.strip()


def info(path: Path, field: str) -> int:
    """A number from the server's INFO. Raises OSError."""
    for line in ask(path, "INFO").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value)
    raise OSError(f"no {field} in INFO")


class Lock:
    """A file lock that the kernel drops with the last process that holds it.

    redis-server inherits its descriptor, which filelock does not give away.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self) -> bool:
        """True if it is ours now."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        os.close(self.fd)


class RedisServer:
    """A running redis-server, started or adopted; a `Child` of the supervisor."""

    def __init__(self, plan: Plan, lock: Lock) -> None:
        """Start it, or adopt the one that still runs on these files. Raises RedisUnusableError, OSError."""
        self._plan, self._lock = plan, lock
        self._process: subprocess.Popen[bytes] | None = None
        self._answered = False
        self._pid = self._spawn() if lock.take() else self._take_over()
        self._sync = DiskSync(plan.directory)

    def _spawn(self) -> int:
        binary = find_binary()
        check_files(binary, self._plan.directory)
        with contextlib.suppress(FileNotFoundError):
            self._plan.socket.unlink()
        mode = "ab" if self._log_size() < _LOG_MAX else "wb"
        with self._plan.log.open(mode) as log:
            self._logged = log.tell()
            self._process = subprocess.Popen(
                [binary.path, *self._plan.options()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={},
                start_new_session=True,
                pass_fds=(self._lock.fd,),
            )
        say(f"{binary}, pid {self._process.pid}, at unix://{self._plan.socket}")
        return self._process.pid

    def _take_over(self) -> int:
        deadline = time.monotonic() + 5
        while True:
            try:
                pid = info(self._plan.socket, "process_id")
            except OSError as error:
                if self._lock.take():
                    return self._spawn()
                if time.monotonic() > deadline:
                    raise RedisUnusableError(
                        f"a redis-server still uses {self._plan.directory} but does not answer at "
                        f"{self._plan.socket} ({error}): end it and start again"
                    ) from error
                time.sleep(0.05)
            else:
                say(f"taking over the redis-server that still runs here (pid {pid})")
                return pid

    def _log_size(self) -> int:
        return self._plan.log.stat().st_size if self._plan.log.exists() else 0

    @property
    def pid(self) -> int:
        return self._pid

    def ready(self) -> bool:
        """Does it answer, with its data loaded?"""
        with contextlib.suppress(OSError):
            self._answered = self._answered or ask(self._plan.socket, "PING") == "+PONG"
        return self._answered

    def poll(self) -> int | None:
        """As `Child.poll`, and 0 for an adopted one, whose status only init gets to know.

        Raises RedisUnusableError if it gave up by itself before it ever answered.
        """
        code = self._code()
        if code is not None:
            self._sync.close()
        if code == -signal.SIGTERM:
            return 0
        if code is None:
            self.ready()
        elif code > 0 and not self._answered:
            raise RedisUnusableError(
                f"redis-server {ending(code)}: {self._last_words()} (see {self._plan.log})"
            )
        return code

    def _code(self) -> int | None:
        if self._process is None:
            return 0 if self._lock.take() else None
        return self._process.poll()

    def _last_words(self) -> str:
        with self._plan.log.open("rb") as log:
            log.seek(self._logged)
            lines = [
                line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()
            ]
        return lines[-1] if lines else "it said nothing"

    def stop(self, waited: float = 0.0) -> None:
        """Let the other clients finish, as far as our patience goes; then end it with all data on disk."""
        deadline = time.monotonic() + self._plan.patience - waited
        with contextlib.suppress(OSError):
            while time.monotonic() < deadline and info(self._plan.socket, "connected_clients") > 1:
                time.sleep(0.02)
        try:
            refused = ask(self._plan.socket, "SHUTDOWN", timeout=5)
        except OSError:
            refused = "it does not answer"
        if refused and self.poll() is None:
            say(f"redis-server did not take SHUTDOWN ({refused}): sending SIGTERM")
            self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, number)


def prepare(plan: Plan) -> None:
    """Make the folders, for our eyes only. Raises RedisUnusableError, OSError."""
    plan.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    plan.directory.mkdir(mode=0o700, exist_ok=True)
    if plan.socket.parent != plan.data_dir:
        # In a temporary folder anyone could have made it before us.
        plan.socket.parent.mkdir(mode=0o700, exist_ok=True)
        found = plan.socket.parent.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise RedisUnusableError(
                f"{plan.socket.parent} is not ours alone: remove it, or set MLXQ_DATA_DIR"
            )


def service(plan: Plan) -> Service:
    """The embedded Redis for a supervisor, which starts it again whenever it dies."""
    locks: list[Lock] = []

    def start() -> RedisServer:
        try:
            if not locks:
                prepare(plan)
                locks.extend((_own(plan), Lock(plan.directory / "server.lock")))
            return RedisServer(plan, locks[1])
        except OSError as error:
            raise CannotStart(f"MLXQ_DATA_DIR={str(plan.data_dir)!r} cannot be used: {error}") from error

    def close() -> None:
        if locks and locks[1].take():
            clean(plan)

    backoff = Backoff(first=0.2, most=5.0)
    return Service("redis-server", start, backoff=backoff, grace=5.0, final=(), last=True, close=close)


def _own(plan: Plan) -> Lock:
    """The lock of the one that runs Redis on these files. Raises RedisUnusableError, OSError."""
    lock = Lock(plan.directory / "owner.lock")
    if not lock.take():
        pid = os.read(lock.fd, 20).decode() or "unknown"
        raise RedisUnusableError(
            f"{plan.data_dir} is in use by another mlxq (pid {pid}): stop it, or set MLXQ_DATA_DIR"
        )
    os.ftruncate(lock.fd, 0)
    os.pwrite(lock.fd, str(os.getpid()).encode(), 0)
    return lock


def clean(plan: Plan) -> None:
    """Remove what only a running redis-server needs."""
    plan.socket.unlink(missing_ok=True)
    if plan.socket.parent != plan.data_dir:
        with contextlib.suppress(OSError):
            plan.socket.parent.rmdir()


def idle() -> int:
    """Wait for a stop: somebody else runs Redis."""
    with SignalWaiter() as waiter:
        while not waiter.wait(1.0):
            pass
    return 0


def usual_plan() -> Plan | None:
    """The plan of an environment that sets nothing about Redis but MLXQ_DATA_DIR; else None."""
    if usual := early.usual_data_dir():
        longest = early.DRAIN_TIMEOUT + _AFTER_DRAIN
        return Plan(usual, early.redis_socket(usual), early.REDIS_MAXMEMORY_MB, longest)
    return None


def plan_arguments() -> list[str]:
    """What `plan_of` makes a plan of, by all settings; empty where REDIS_URL is set.

    With the settings in it, a process is three times the size: it should start over with these arguments.
    """
    from config.settings import load_settings

    settings = load_settings()
    longest = settings.drain_timeout + _AFTER_DRAIN
    plan = Plan(settings.data_dir, settings.redis_socket, settings.redis_maxmemory_mb, longest)
    return [] if settings.redis_url else arguments_of(plan)


def arguments_of(plan: Plan) -> list[str]:
    return [str(plan.data_dir), str(plan.socket), str(plan.maxmemory_mb), str(plan.patience)]


def plan_of(arguments: Sequence[str]) -> Plan:
    data_dir, path, megabytes, patience = arguments
    return Plan(Path(data_dir), Path(path), int(megabytes), float(patience))


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--idle"]:
        return idle()
    if arguments[:1] == ["--serve"]:
        return Supervisor([service(plan_of(arguments[1:]))]).run()
    if plan := usual_plan():
        return Supervisor([service(plan)]).run()
    if rest := plan_arguments():
        rest = ["--serve", *rest]
    else:
        from mlxq.launch.redis_remote import unusable

        if (code := unusable()) is not None:
            return code
        rest = ["--idle"]
    os.execv(sys.executable, [sys.executable, "-m", "mlxq.launch.redis_server", *rest])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
