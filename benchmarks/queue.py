"""What it costs to accept, take, claim and end a job, with few and with many waiting; before against after.

    python -m benchmarks.queue [--against CHECKOUT] [--quick]

Each stage is one round trip or more to a Redis of its own. The checkouts take turns in one run, so that the load of
the machine moves both. The second table has what the scripts take in Redis, and the commands that they run; the third
the engine steps of 1 and of 32 streams. The last one compares a take with 10,000 waiting jobs to one with 100: of one
app, of ten in turns, and of ten one after the other.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

from tests.private_redis import PrivateRedis

REPO = Path(__file__).resolve().parent.parent
STAGES = ("admit", "take", "claim", "finish")
#: What the sum of the stages may cost over before, and a take with many waiting jobs over one with few.
BOUND, BOUND_MANY = 1.15, 1.2


class Process:
    """The gate of a checkout in a process and a Redis of its own."""

    def __init__(self, checkout: Path) -> None:
        self._redis = PrivateRedis()
        self._redis.start()
        script = str(REPO / "benchmarks" / "queue_process.py")
        self._process = subprocess.Popen(
            [sys.executable, "-P", script, self._redis.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(checkout)},
        )

    def do(self, verb: str, *arguments: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([verb, *arguments]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._redis.remove()


def stages(processes: dict[str, Process], rounds: int, jobs: int) -> dict[str, dict[str, float]]:
    """The median of each stage in microseconds, and of a job's whole way."""
    times: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in processes}
    for process in processes.values():
        process.do("empty")
        process.do("cycle", 50, 3)
    for _ in range(rounds):
        for name, process in processes.items():
            for stage, some in process.do("cycle", jobs, 3).items():
                times[name][stage] += some
    found = {}
    for name, each in times.items():
        whole = [sum(parts) for parts in zip(*(each[stage] for stage in STAGES), strict=True)]
        found[name] = {**{stage: median(each[stage]) for stage in STAGES}, "all": median(whole)}
    return found


def inside(processes: dict[str, Process], rounds: int) -> dict[str, dict[str, tuple[float, float]]]:
    """The medians of the microseconds that the script of each stage takes in Redis, and of its commands."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for name, process in processes.items():
        told = process.do("inside", rounds, 3)
        found[name] = {stage: (median(times), median(commands)) for stage, (times, commands) in told.items()}
    return found


def steps(processes: dict[str, Process], rounds: int, streams: int) -> dict[str, float]:
    """The median of an engine step in microseconds."""
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, process in processes.items():
            times[name] += process.do("steps", 100, streams)
    return {name: median(each) for name, each in times.items()}


def many(process: Process, rounds: int, jobs: int, most: int) -> dict[str, tuple[float, float]]:
    """The median of a take in microseconds with 100 and with `most` waiting jobs, by how apps are spread."""
    found = {}
    for name, apps, bulk in (
        ("one app", 1, False),
        ("ten apps in turns", 10, False),
        ("ten in bulk", 10, True),
    ):
        few_times: list[float] = []
        many_times: list[float] = []
        for _ in range(rounds):
            for number, times in ((100, few_times), (most, many_times)):
                process.do("empty")
                process.do("fill", number, apps, bulk)
                times += process.do("cycle", jobs, apps)["take"]
        found[name] = (median(few_times), median(many_times))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", type=Path, help="another checkout: before")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and 2,000 instead of 10,000 jobs")
    options = parser.parse_args()
    rounds, jobs, most = (4, 100, 2_000) if options.quick else (20, 200, 10_000)
    checkouts = {"before": options.against.resolve()} if options.against else {}
    processes = {name: Process(folder) for name, folder in {**checkouts, "after": REPO}.items()}
    good = True
    try:
        found = stages(processes, rounds, jobs)
        print("| µs, p50 | " + " | ".join((*STAGES, "all")) + " |")
        print("|---|--:|--:|--:|--:|--:|")
        for name, each in found.items():
            print(f"| {name} | " + " | ".join(f"{each[stage]:.0f}" for stage in (*STAGES, "all")) + " |")
        if "before" in found:
            ratio = found["after"]["all"] / found["before"]["all"]
            good = ratio <= BOUND
            print(f"\nafter / before: {ratio:.3f} (bound {BOUND})")
        print("\n| in Redis: µs (commands) | " + " | ".join(STAGES) + " |\n|---|--:|--:|--:|--:|")
        for name, costs in inside(processes, jobs).items():
            cells = (f"{costs[stage][0]:.0f} ({costs[stage][1]:.0f})" for stage in STAGES)
            print(f"| {name} | " + " | ".join(cells) + " |")
        one, most_streams = (steps(processes, rounds, streams) for streams in (1, 32))
        print("\n| step, µs, p50 | 1 stream | 32 streams |\n|---|--:|--:|")
        for name in processes:
            print(f"| {name} | {one[name]:.0f} | {most_streams[name]:.0f} |")
        print(f"\n| take, µs, p50 | 100 wait | {most:,} wait | ratio |\n|---|--:|--:|--:|")
        for name, (few, lots) in many(processes["after"], max(1, rounds // 4), jobs, most).items():
            good = good and lots / few <= BOUND_MANY
            print(f"| {name} | {few:.0f} | {lots:.0f} | {lots / few:.2f} |")
    finally:
        for process in processes.values():
            process.close()
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
