"""What chats notice of a batch beside them, and what the batch loses by them.

    python -m benchmarks.batch_chats [--rounds 3] [--seconds 10] [--big] [--quick]

Chats whose client waits come one after the other, with a pause, alone and beside a batch; the batch also runs without
them. The requests of the batch are chats of two tokens with the same random model. The table has the times to the
first token and to the end of a chat, the requests of the batch per second, and the CPU that each process needs.
"""

import argparse
import itertools
import json
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks import model, preload
from benchmarks.load import percentile
from tests.support.batches import CHAT, ENDED, chats, jsonl
from tests.support.checkpoints import random_qwen3
from tests.support.system import System

#: Seconds between two chats.
PAUSE = 0.1
#: Requests of a batch, which is cancelled when its time is over.
REQUESTS = 10_000
#: Outcomes of a batch from which on it is measured.
BEGUN = 50
PHASES = ("chats", "both", "batch")


@dataclass
class Seen:
    """Of one phase: seconds to each first token and to each end, and outcomes and CPU seconds of each second."""

    firsts: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    rate: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument(
        "--big", action="store_true", help="a model of 20 M parameters, else of a few thousand"
    )
    parser.add_argument("--quick", action="store_true", help="one round of three seconds")
    args = parser.parse_args()
    rounds, seconds = (1, 3.0) if args.quick else (args.rounds, args.seconds)
    found: dict[str, list[Seen]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="mlxq-batch-chats-") as scratch:
        root = Path(scratch)
        settings: dict[str, str] = {}
        if args.big:
            model.random_qwen3(root / "first", model.BIG)
            settings = preload.environment(preload.find())
        else:
            random_qwen3(root / "first", seed=1)
        system = System(root, "first", **settings)
        try:
            system.start()
            # Connections are made, and caches filled.
            _phase(system, "both", min(seconds, 2.0))
            for number in range(rounds):
                for name in PHASES if number % 2 == 0 else reversed(PHASES):
                    found[name].append(_phase(system, name, seconds))
        finally:
            system.stop()
    print(f"{rounds} rounds of {seconds:g} s\n\n{table(found)}")


def _phase(system: System, name: str, seconds: float) -> Seen:
    batch_id = "" if name == "chats" else _start(system)
    seen, before, done = Seen(), _cpu(system), _done(system, batch_id)
    began = time.monotonic()
    over = began + seconds
    while (now := time.monotonic()) < over:
        if name != "batch":
            first, end = _chat(system)
            seen.firsts.append(first)
            seen.ends.append(end)
        time.sleep(PAUSE if name != "batch" else over - now)
    passed = time.monotonic() - began
    seen.rate = (_done(system, batch_id) - done) / passed
    seen.cpu = {process: (spent - before[process]) / passed for process, spent in _cpu(system).items()}
    if batch_id:
        system.http.post(f"/v1/batches/{batch_id}/cancel").raise_for_status()
        system.wait_until(lambda: _batch(system, batch_id)["status"] in ENDED, "the batch does not end")
    return seen


def _start(system: System) -> str:
    data = jsonl(chats(REQUESTS, "first", max_tokens=2))
    files = {"file": ("requests.jsonl", data)}
    file = system.http.post("/v1/files", data={"purpose": "batch"}, files=files).raise_for_status()
    body = {"input_file_id": file.json()["id"], "endpoint": CHAT, "completion_window": "24h"}
    batch_id: str = system.http.post("/v1/batches", json=body).raise_for_status().json()["id"]
    system.wait_until(lambda: _done(system, batch_id) >= BEGUN, "the batch does not begin")
    return batch_id


def _batch(system: System, batch_id: str) -> dict[str, Any]:
    batch: dict[str, Any] = system.http.get(f"/v1/batches/{batch_id}").raise_for_status().json()
    return batch


def _done(system: System, batch_id: str) -> int:
    if not batch_id:
        return 0
    done: int = _batch(system, batch_id)["request_counts"]["completed"]
    if done >= REQUESTS:
        raise SystemExit("the batch has ended before its time")
    return done


_numbers = itertools.count()


def _chat(system: System) -> tuple[float, float]:
    """Seconds to its first token, and to its end."""
    body = {
        "model": "first",
        "messages": [{"role": "user", "content": f"Hello {next(_numbers)}"}],
        "max_tokens": 8,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
    }
    began, first = time.monotonic(), 0.0
    with system.http.stream("POST", CHAT, json=body) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if not first and line.startswith("data: {") and _has_text(line):
                first = time.monotonic() - began
    return first, time.monotonic() - began


def _has_text(line: str) -> bool:
    return any(choice["delta"].get("content") for choice in json.loads(line[6:])["choices"])


def _cpu(system: System) -> dict[str, float]:
    """CPU seconds of each process, since ever."""
    pids = {"redis": system.redis.pid}
    pids |= {
        name: process.pid
        for name, process in (("api", system.api), ("worker", system.worker))
        if process is not None
    }
    times = {name: psutil.Process(pid).cpu_times() for name, pid in pids.items()}
    return {name: float(each.user + each.system) for name, each in times.items()}


def table(found: dict[str, list[Seen]]) -> str:
    """Markdown: what each side has alone and with the other."""
    lines = ["| a chat | alone | beside the batch | times |", "|---|--:|--:|--:|"]
    for name in ("firsts", "ends"):
        for share in (0.5, 0.95):
            alone, beside = (
                statistics.median(percentile(getattr(seen, name), share) for seen in found[phase])
                for phase in ("chats", "both")
            )
            what = "first token" if name == "firsts" else "end"
            lines.append(
                f"| {what}, p{100 * share:.0f} | {1e3 * alone:.0f} ms | {1e3 * beside:.0f} ms "
                f"| {beside / alone:.2f} |"
            )
    alone, beside = (statistics.median(seen.rate for seen in found[phase]) for phase in ("batch", "both"))
    lines += ["", "| the batch | alone | beside chats | share |", "|---|--:|--:|--:|"]
    lines.append(f"| requests per second | {alone:.0f} | {beside:.0f} | {beside / alone:.2f} |")
    for process in found["both"][0].cpu:
        alone, beside = (
            statistics.median(seen.cpu[process] for seen in found[phase]) for phase in ("batch", "both")
        )
        lines.append(f"| CPU of {process} | {alone:.2f} | {beside:.2f} | |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
