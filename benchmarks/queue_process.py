"""The gate of one checkout, which does what it is told on its standard input. Started by `benchmarks.queue`.

It uses only what the gate had before there were classes, so that it runs in earlier checkouts too.
"""

import asyncio
import inspect
import itertools
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from jobs.events import Delta, encode_event
from jobs.gate import AsyncGate, Emission, Ending, Gate, Ttl
from jobs.kinds import Category, Kind
from jobs.payloads import ChatPayload
from jobs.redis.connection import async_connection, connection
from jobs.request import JobRequest, new_job_id
from jobs.results import Choice, TextResult, TextUsage, Timings

TTL = Ttl(result=600, events=600)
MOST = 1_000_000
PAYLOAD = ChatPayload(messages=[{"role": "user", "content": "What is the capital of Spain? " * 20}])
SHARES = "share" in inspect.signature(JobRequest).parameters


def job(app: int) -> JobRequest:
    more: dict[str, Any] = {"share": f"app-{app}"} if SHARES else {}
    return JobRequest(
        new_job_id(Kind.CHAT),
        Category.LLM,
        Kind.CHAT,
        "org/tiny",
        PAYLOAD,
        timeout=60,
        app=f"app-{app}",
        **more,
    )


class Stages:
    """Submits, takes and ends jobs one at a time."""

    def __init__(self, address: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._front = AsyncGate(async_connection(address), TTL)
        self._redis = connection(address)
        self._gate = Gate(self._redis, Category.LLM, "worker-1", TTL)
        self._made = 0
        self._job = ""
        #: how often that was asked
        self._asked = -1

    def empty(self) -> None:
        self._redis.flushall()

    def fill(self, number: int, apps: int, bulk: bool) -> None:
        """Let so many jobs wait: of one app after the other, or in turns."""
        for place in range(number):
            self._admit(place * apps // number if bulk else place % apps)

    def cycle(self, rounds: int, apps: int) -> dict[str, list[float]]:
        """Microseconds of each stage of a job; as many wait after it as before."""
        times: dict[str, list[float]] = {"admit": [], "take": [], "claim": [], "finish": []}
        for _ in range(rounds):
            self._made += 1
            moments = [time.perf_counter()]
            self._admit(self._made % apps)
            moments.append(time.perf_counter())
            (job_id,) = self._gate.take(1, 1) or [""]
            moments.append(time.perf_counter())
            self._gate.claim([(job_id, job_id)])
            moments.append(time.perf_counter())
            self._gate.write([], [Ending(job_id, job_id, RESULT)])
            moments.append(time.perf_counter())
            for stage, (began, ended) in zip(times, itertools.pairwise(moments), strict=True):
                times[stage].append((ended - began) * 1e6)
        return times

    def inside(self, rounds: int, apps: int) -> dict[str, tuple[list[float], list[float]]]:
        """Of each stage the microseconds that its script takes in Redis, and the commands that it runs."""
        stages: dict[str, Callable[[], object]] = {
            "admit": lambda: self._admit(self._made % apps),
            "take": self._take,
            "claim": lambda: self._gate.claim([(self._job, self._job)]),
            "finish": lambda: self._gate.write([], [Ending(self._job, self._job, RESULT)]),
        }
        found: dict[str, tuple[list[float], list[float]]] = {stage: ([], []) for stage in stages}
        for _ in range(rounds):
            self._made += 1
            for stage, do in stages.items():
                before = self._work()
                do()
                for figures, began, ended in zip(found[stage], before, self._work(), strict=True):
                    figures.append(ended - began)
        return found

    def steps(self, rounds: int, streams: int) -> list[float]:
        """Microseconds of an engine step that gives a delta to each of so many jobs, which then end."""
        self.empty()
        for stream in range(streams):
            self._admit(stream)
        jobs = self._gate.take(1, streams) or []
        self._gate.claim([(job_id, job_id) for job_id in jobs])
        times = []
        for number in range(1, rounds + 1):
            events = [Emission(job_id, job_id, number, DELTA) for job_id in jobs]
            began = time.perf_counter()
            self._gate.write(events, [])
            times.append((time.perf_counter() - began) * 1e6)
        self._gate.write([], [Ending(job_id, job_id, RESULT) for job_id in jobs])
        return times

    def _take(self) -> None:
        (self._job,) = self._gate.take(1, 1) or [""]

    def _work(self) -> tuple[float, float]:
        """Microseconds that scripts took so far, and commands that were run, but for those that ask this."""
        told: Any = self._redis.info("commandstats")
        self._asked += 1
        scripts = told.get("cmdstat_evalsha", {"usec": 0, "calls": 0})
        return scripts["usec"], sum(each["calls"] for each in told.values()) - scripts["calls"] - self._asked

    def _admit(self, app: int) -> None:
        self._loop.run_until_complete(self._front.admit(job(app), MOST))


DELTA = encode_event(Delta(0, " Madrid"))
RESULT = TextResult(
    choices=[Choice(index=0, text="Madrid", finish_reason="stop")],
    usage=TextUsage(prompt_tokens=9, completion_tokens=1, cached_tokens=0),
    timings=Timings(prompt_seconds=0.1, generation_seconds=0.1),
)


def main() -> None:
    stages = Stages(sys.argv[1])
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        print(json.dumps(getattr(stages, verb)(*arguments)), flush=True)


if __name__ == "__main__":
    main()
