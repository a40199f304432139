"""Several machines on one queue: jobs per second of three against one, and what becomes of jobs when machines fail.

    python -m benchmarks.machines               # 1 and 3 machines, in turns; then one of three is unplugged
    python -m benchmarks.machines --kills 100   # machines are killed, unplugged and put to sleep at random
    python -m benchmarks.machines --requests 1000   # requests of all kinds through two API processes
    python -m benchmarks.machines --quick       # a little of each

Machines are workers with folders of their own, in network namespaces where the system allows them, else at
loopback addresses. They join by the gateway, over a TCP relay. Their engine waits on an event that nobody sets, so
that a job costs time and hardly any CPU: what is measured is whether the queue keeps three machines busy, on as few
cores as there are. All jobs wait before the first one starts; the time is from its start to the last end, by Redis'
clock. A stand-in engine has no prompts, no memory and no load of its own.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from jobs import keys
from tests.machines import mixed
from tests.machines.havoc import Havoc
from tests.machines.namespace import Namespace, allowed
from tests.machines.site import Site, client_of
from tests.support.checkpoints import random_qwen3

#: A worker whose engines compute.
REAL = "worker"
#: Jobs that a machine runs at the same time, and seconds that each takes.
PLACES, SECONDS = 4, 0.2
#: What three machines have to be worth, and seconds within which the jobs of an unplugged one end elsewhere.
BOUND, UNPLUGGED = 2.7, 10.0
#: Seconds between two failures, at most: one of these. Leases outlast the short ones.
PAUSES = (0.3, 2.0, 12.0)


@contextmanager
def site(
    machines: int, module: str = "tests.machines.stand_in", apis: int = 1, **settings: object
) -> Iterator[Site]:
    """A site whose machines are ready."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = random_qwen3(Path(folder) / "checkpoint")
        with Site(Path(folder) / "site", checkpoint, apis, "", **settings) as running:
            # Questions for tokens are answered by workers of the server's own machine.
            if sys.platform == "linux" and module != REAL:
                running.open_gateway()
            for number in range(machines):
                running.add(f"mac-{number}", module, Namespace() if allowed() else None)
            running.wait_ready()
            yield running


def throughput(running: Site, jobs: int) -> float:
    """Jobs per second of the machines of a site."""
    running.http.post("/v1/queue/pause").raise_for_status()
    ids = [running.send(steps=1, pace=SECONDS) for _ in range(jobs)]
    running.http.post("/v1/queue/resume").raise_for_status()
    running.check_once(ids, 1)
    timings = [running.job(job_id)["timings"] for job_id in ids]
    began, ended = min(each["started_at"] for each in timings), max(each["ended_at"] for each in timings)
    return float(jobs / (ended - began))


def speed(rounds: int, jobs: int) -> bool:
    found: dict[int, list[float]] = {1: [], 3: []}
    for _ in range(rounds):
        for machines, figures in found.items():
            with site(machines, BATCH_SIZE=PLACES) as running:
                figures.append(throughput(running, jobs * machines))
    best = PLACES / SECONDS
    print("| machines | jobs/s | share of what their engines can do |")
    print("|--:|--:|--:|")
    for machines, figures in found.items():
        middle = statistics.median(figures)
        print(f"| {machines} | {middle:.1f} | {middle / best / machines:.0%} |")
    times = [three / one for one, three in zip(found[1], found[3], strict=True)]
    worth = statistics.median(times)
    print(
        f"\nThree are worth {worth:.2f} times one ({min(times):.2f} to {max(times):.2f}); at least {BOUND}.\n"
    )
    return worth >= BOUND


def unplugged(rounds: int) -> bool:
    """From the moment in which one of three is unplugged to the end of all of its jobs."""
    figures = []
    for _ in range(rounds):
        with site(3, BATCH_SIZE=PLACES) as running:
            hold = running.folder / "go"
            jobs = [running.send(hold=hold) for _ in range(3 * PLACES)]
            running.wait_until(
                lambda running=running, jobs=jobs: len(running.running()) == len(jobs), "they do not run"
            )
            (lost, *_) = running.machines
            own = lost.jobs()
            lost.unplug()
            hold.touch()
            at = time.monotonic()
            running.check_once(own, 3)
            figures.append(time.monotonic() - at)
            running.check_once(jobs, 3)
    worst = max(figures)
    print(f"The jobs of an unplugged machine end elsewhere within {worst:.1f} s; at most {UNPLUGGED:.0f}.\n")
    return worst <= UNPLUGGED


def failures(strikes: int) -> bool:
    """Machines fail at random while jobs come and go."""
    began, steps = time.monotonic(), 20
    with site(3, BATCH_SIZE=PLACES, MAX_ATTEMPTS=100) as running:
        havoc = Havoc(running, random.Random(17), PAUSES)
        jobs: list[str] = []
        for number in range(strikes):
            # About as much as three machines do up to the next one.
            jobs += [running.send(steps=steps, pace=0.1) for _ in range(16)]
            havoc.strike()
            if sys.stdout.isatty():
                print(f"\r{number + 1} of {strikes}", end="", flush=True)
        havoc.mend()
        # Raises where one was lost, has another text, or ended twice.
        running.check_once(jobs, steps)
        left = int(running.connection.zcard(keys.started("llm")))
        again = sum(int(running.job(job_id)["attempts"]) > 1 for job_id in jobs)
    print(
        f"{havoc.kills} kills, {havoc.unplugs} unplugs and {havoc.sleeps} sleeps: of {len(jobs)} jobs 0 lost, 0 "
        f"twice, {again} run again, {left} leases left ({time.monotonic() - began:.0f} s).\n"
    )
    return left == 0


def requests(number: int) -> bool:
    """Requests of all kinds, each sent to one API process and looked at through the other."""
    began = time.monotonic()
    with site(1, REAL, apis=2) as running:
        counts = mixed.run([partial(client_of, port) for port in (running.port, *running.others)], number)
        left = int(running.connection.zcard(keys.started("llm")))
    kinds = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    print(
        f"{counts.total()} stories through two API processes in {time.monotonic() - began:.0f} s: {kinds}.\n"
    )
    return left == 0 and counts.total() == number


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=200, help="jobs for each machine")
    parser.add_argument(
        "--kills", type=int, default=0, metavar="N", help="so many failures, and nothing else"
    )
    parser.add_argument(
        "--requests", type=int, default=0, metavar="N", help="so many requests, and nothing else"
    )
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    print(f"Machines are in {'network namespaces' if allowed() else 'this namespace'}.\n", flush=True)
    if options.kills or options.requests:
        good = [failures(options.kills)] if options.kills else []
        good += [requests(options.requests)] if options.requests else []
    elif options.quick:
        good = [speed(1, 60), unplugged(1), failures(6), requests(44)]
    else:
        good = [speed(options.rounds, options.jobs), unplugged(options.rounds)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    raise SystemExit(main())
