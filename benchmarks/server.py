"""Starts a server in a session of its own, asks until it answers, weighs it, and ends it without trace."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

REPO = Path(__file__).resolve().parent.parent
MB = 1e6


@dataclass(frozen=True)
class Kind:
    """How a server is started and what it calls the model: `{port}`, `{model}` and so on are filled in."""

    name: str
    arguments: tuple[str, ...]
    model: str
    environment: tuple[tuple[str, str], ...] = ()
    folder: Path = REPO


MLXQ = Kind(
    "mlxq",
    ("-m", "honcho", "--procfile", str(REPO / "Procfile"), "start"),
    "{model}",
    (
        ("PORT", "{port}"),
        ("MLXQ_DATA_DIR", "{data}"),
        ("LLM_MODEL", "{model}"),
        ("MODEL_ROOTS", "{root}"),
        ("QUEUE_LIMIT", "2000"),
        ("LOG_LEVEL", "warning"),
        ("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"),
    ),
)


def checkout(folder: Path) -> Kind:
    """mlxq as another checkout of it has it, run by the same interpreter and libraries."""
    arguments = ("-m", "honcho", "--procfile", str(folder.resolve() / "Procfile"), "start")
    return replace(
        MLXQ, name=f"mlxq of {folder.resolve().name}", arguments=arguments, folder=folder.resolve()
    )


MLX_LM = Kind(
    "mlx_lm.server",
    ("-m", "benchmarks.reference", "--model", "{model}", "--port", "{port}", "--log-level", "WARNING"),
    "default_model",
)


@dataclass
class Memory:
    """Resident memory of a process tree in MB (10**6 bytes).

    `rss` counts shared pages once per process; `pss` shares them out (Linux; elsewhere `uss`).
    """

    rss: float
    pss: float
    by_process: dict[str, float]


@dataclass
class Server:
    """A running server. `first_answer`: seconds from the start of its process to its first chat answer."""

    base_url: str
    model: str
    process: psutil.Process
    first_answer: float
    redis_url: str

    def cpu_seconds(self) -> float:
        """CPU time of the process tree so far."""
        total = 0.0
        for process in _tree(self.process):
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def cpu_of(self, module: str) -> float:
        """CPU seconds so far of the process that runs `python -m module`. Raises StopIteration where none does."""
        process = next(each for each in _tree(self.process) if each.cmdline()[-2:] == ["-m", module])
        if sys.platform == "linux":
            # The process' own clock (clock_getcpuclockid), which counts more finely than hundredths of a second.
            return time.clock_gettime((~process.pid << 3) | 2)
        times = process.cpu_times()
        return float(times.user + times.system)

    def memory(self) -> Memory:
        rss, pss, by_process = 0.0, 0.0, dict[str, float]()
        for process in _tree(self.process):
            try:
                info, name = process.memory_full_info(), " ".join(process.cmdline()[-2:])[-40:]
            except psutil.Error:
                continue
            rss += info.rss / MB
            pss += getattr(info, "pss", info.uss) / MB
            by_process[f"{process.pid} {name}"] = round(info.rss / MB, 1)
        return Memory(rss, pss, by_process)


@contextmanager
def running(kind: Kind, model: Path, environment: dict[str, str], timeout: float = 120.0) -> Iterator[Server]:
    """Start a server on a free port with a fresh data folder; end all of its processes when the block ends.

    Raises RuntimeError with the end of its log when it has not answered within `timeout` seconds.
    """
    with tempfile.TemporaryDirectory(prefix="mlxq-bench-") as data:
        port = free_port()
        names = {"port": port, "model": model, "root": model.parent, "data": Path(data) / "data"}
        redis_url = f"unix://{data}/data/redis.sock"
        own = {key: value.format(**names) for key, value in kind.environment}
        log = Path(data) / "log"
        with log.open("wb") as output:
            start = time.perf_counter()
            popen = subprocess.Popen(
                [sys.executable, *(part.format(**names) for part in kind.arguments)],
                env={**os.environ, "HF_HUB_OFFLINE": "1", **environment, **own},
                cwd=kind.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                base_url, name = f"http://127.0.0.1:{port}/v1", kind.model.format(**names)
                while not _answers(base_url, name):
                    if popen.poll() is not None or time.perf_counter() - start > timeout:
                        raise RuntimeError(f"{kind.name} did not answer:\n{log.read_text()[-3000:]}")
                    time.sleep(0.02)
                yield Server(
                    base_url, name, psutil.Process(popen.pid), time.perf_counter() - start, redis_url
                )
            finally:
                _end(popen)


def _answers(base_url: str, model: str) -> bool:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    request = urllib.request.Request(
        f"{base_url}/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return bool(json.load(response)["usage"]["completion_tokens"] == 1)
    except (OSError, urllib.error.URLError, ValueError, KeyError):
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tree(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _end(popen: "subprocess.Popen[bytes]") -> None:
    """SIGTERM, 20 s to drain, then SIGKILL for whatever of the tree is left."""
    try:
        tree = _tree(psutil.Process(popen.pid))
    except psutil.NoSuchProcess:
        tree = []
    if popen.poll() is None:
        popen.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(tree, timeout=20)
    for process in alive:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive, timeout=5)
    popen.wait()
