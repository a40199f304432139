"""From `honcho start` to the first answer, and the memory of all processes after it, beside another checkout.

    python -m benchmarks.startup --other ../mlxq-before --rounds 5

Both are started in turn, from their own folders with this Python, so that other load on the machine meets both alike.
Times are seconds, memory MiB of PSS (Linux: /proc/PID/smaps_rollup) once the first chat has been answered and nothing
runs; with `--rest 65` the process for chat templates has ended by then, too. Medians are shown, and this checkout's
as a ratio of the other's.

Under other load compare the seconds of CPU time, of all processes up to the first answer: where Linux divides the
processor among sessions (`sched_autogroup`), a checkout that starts more of them may get more of it.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.server import REPO, free_port

HONCHO = ("-m", "honcho", "start")
SERVE = ("-m", "mlxq", "serve")


class Start(NamedTuple):
    """`seconds` and `cpu`: to the first answer. `memory`: MiB of PSS. `processes`: their number."""

    seconds: float
    cpu: float
    memory: float
    processes: int


def family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def cpu(process: psutil.Process) -> float:
    """Seconds of the process and its descendants."""
    total = 0.0
    for each in family(process):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
            times = each.cpu_times()
            total += times.user + times.system
    return total


def pss(process: psutil.Process) -> float:
    """MiB of the process and its descendants."""
    total = 0
    for each in family(process):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # it ended meanwhile
            text = Path(f"/proc/{each.pid}/smaps_rollup").read_text()
            total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


def measure(folder: Path, command: tuple[str, ...], rest: float) -> Start:
    data = Path(tempfile.mkdtemp(prefix="mlxq-start-"))
    port = free_port()
    environment = {
        **os.environ,
        "PORT": str(port),
        "MLXQ_DATA_DIR": str(data),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUNBUFFERED": "1",
        "LOG_LEVEL": "warning",
        "HF_HUB_OFFLINE": "1",
        # The first round compiles, as the first start of an installation does.
        "PYTHONDONTWRITEBYTECODE": "",
    }
    began = time.perf_counter()
    with (data / "log").open("wb") as log:
        popen = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        while not answers(port):
            if popen.poll() is not None or time.perf_counter() - began > 120:
                raise RuntimeError(f"no answer:\n{(data / 'log').read_text()[-2000:]}")
            time.sleep(0.02)
        seconds = time.perf_counter() - began
        process = psutil.Process(popen.pid)
        used = cpu(process)
        time.sleep(rest)
        return Start(seconds, used, pss(process), len(family(process)))
    finally:
        popen.send_signal(signal.SIGINT)
        popen.wait(30)
        shutil.rmtree(data)


def answers(port: int) -> bool:
    body = {"model": "default", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return bool(json.load(response)["usage"]["completion_tokens"] == 1)
    except (OSError, ValueError, KeyError):
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--other", type=Path, help="another checkout, measured in turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--rest", type=float, default=3.0, help="seconds between the first answer and the weighing"
    )
    parser.add_argument("--serve", action="store_true", help="also `mlxq serve` of this checkout")
    options = parser.parse_args()
    kinds = {"this": (REPO, HONCHO)}
    if options.serve:
        kinds["serve"] = (REPO, SERVE)
    if options.other:
        kinds["other"] = (options.other.resolve(), HONCHO)
    found: dict[str, list[Start]] = {name: [] for name in kinds}
    for number in range(options.rounds + 1):
        for name, (folder, command) in kinds.items():
            each = measure(folder, command, options.rest)
            if number:  # the first round compiles, and warms the caches of files
                found[name].append(each)
                print(
                    f"{name}: {each.seconds:.2f} s, {each.cpu:.2f} s of CPU time, {each.memory:.1f} MiB, "
                    f"{each.processes} processes",
                    flush=True,
                )
    memory = {name: statistics.median(each.memory for each in rows) for name, rows in found.items()}
    for name, rows in found.items():
        ratio = ""
        if "other" in found and name != "other":
            pairs = list(zip(rows, found["other"], strict=True))
            time_ratio = statistics.median(mine.seconds / theirs.seconds for mine, theirs in pairs)
            cpu_ratio = statistics.median(mine.cpu / theirs.cpu for mine, theirs in pairs)
            ratio = (
                f"; {time_ratio:.2f} of the time, {cpu_ratio:.2f} of the CPU time, "
                f"{memory[name] / memory['other']:.2f} of the memory"
            )
        seconds = statistics.median(each.seconds for each in rows)
        used = statistics.median(each.cpu for each in rows)
        print(f"{name}: median {seconds:.2f} s, {used:.2f} s of CPU time, {memory[name]:.1f} MiB{ratio}")


if __name__ == "__main__":
    main()
