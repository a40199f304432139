"""From `honcho start` to the first answer, and the memory of all processes after it, beside another checkout.

    python -m benchmarks.startup --other ../mlxq-before --rounds 5

Both are started in turn, from their own folders with this Python, so that other load on the machine meets both alike.
Times are seconds, memory MiB of PSS (Linux: /proc/PID/smaps_rollup) once the first chat has been answered and nothing
runs; with `--rest 310` the process for chat templates has ended by then, too. Medians are shown, and this checkout's
as a ratio of the other's.
"""

import argparse
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

import psutil

from benchmarks.server import REPO, free_port

HONCHO = ("-m", "honcho", "start")
SERVE = ("-m", "mlxq", "serve")


def pss(process: psutil.Process) -> float:
    """MiB of the process and its descendants."""
    total = 0
    for each in (process, *process.children(recursive=True)):
        text = Path(f"/proc/{each.pid}/smaps_rollup").read_text()
        total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


def measure(folder: Path, command: tuple[str, ...], rest: float) -> tuple[float, float, int]:
    """Seconds to the first answer, PSS, number of processes."""
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
        time.sleep(rest)
        process = psutil.Process(popen.pid)
        return seconds, pss(process), 1 + len(process.children(recursive=True))
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
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in kinds}
    for number in range(options.rounds + 1):
        for name, (folder, command) in kinds.items():
            each = measure(folder, command, options.rest)
            if number:  # the first round warms the caches of files
                found[name].append(each)
                print(f"{name}: {each[0]:.2f} s, {each[1]:.1f} MiB, {each[2]} processes", flush=True)
    medians = {
        name: (statistics.median(each[0] for each in rows), statistics.median(each[1] for each in rows))
        for name, rows in found.items()
    }
    for name, (seconds, memory) in medians.items():
        ratio = ""
        if "other" in medians and name != "other":
            ratios = [mine[0] / theirs[0] for mine, theirs in zip(found[name], found["other"], strict=True)]
            ratio = f"; {statistics.median(ratios):.2f} of the time, {memory / medians['other'][1]:.2f} of the memory"
        print(f"{name}: median {seconds:.2f} s, {memory:.1f} MiB{ratio}")


if __name__ == "__main__":
    main()
