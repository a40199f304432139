"""What the gateway adds to a joined worker's way to Redis: the same calls directly and through it, in turns.

    python -m benchmarks.gateway [--quick]

A step is what a batch of 32 chats writes at once. All processes are on this machine: the network adds its own.
"""

import argparse
import asyncio
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from statistics import median

import redis

from config.settings import Settings
from jobs.gate import AsyncGate, Emission, Gate, Ttl
from jobs.redis.connection import async_connection, connection
from tests.support.events import EventType, encode_event
from tests.support.gateway import Gateway, session_of
from tests.support.jobs import request

STREAMS = 32


class Way:
    """The executions of one worker, and its connection."""

    def __init__(self, client: redis.Redis, name: str) -> None:
        self.client = client
        self._gate = Gate(client, "llm", f"{name}.llm", Ttl.of(Settings()))
        taken = self._gate.take(1, STREAMS) or []
        claims = self._gate.claim([(job_id, uuid.uuid4().hex) for job_id in taken])
        self._running = [(claim.job_id, claim.execution_id) for claim in claims]
        self._number = 0
        assert len(self._running) == STREAMS

    def ping(self) -> None:
        self.client.ping()

    def step(self) -> None:
        events = []
        for job_id, execution_id in self._running:
            self._number += 1
            event = encode_event(EventType.DELTA, index=0, text="hello ")
            events.append(Emission(job_id, execution_id, self._number, event))
        assert not self._gate.write(events, [])

    def beat(self) -> None:
        assert not self._gate.beat(self._running)[0]


async def queue_jobs(address: str) -> None:
    client = async_connection(address)
    front = AsyncGate(client, Ttl.of(Settings()))
    for _ in range(STREAMS):
        await front.admit(request(), STREAMS)
    await client.aclose()


def measure(call: Callable[[], None], times: int) -> float:
    """The median in microseconds."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return median(taken) * 1e6


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    rounds, times = (3, 100) if options.parse_args().quick else (10, 500)
    with Gateway() as gateway, tempfile.TemporaryDirectory() as folder:
        joined = gateway.joined(gateway.key(), Path(folder))
        ways = {}
        for name, address in (("directly", gateway.redis.url), ("by the gateway", joined.redis_address)):
            asyncio.run(queue_jobs(gateway.redis.url))
            worker = "local.1.a" if name == "directly" else session_of(joined).worker
            ways[name] = Way(connection(address), worker)
        for call in ("ping", "step", "beat"):
            found: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(rounds):
                for way in ways.values():
                    # Leases must not end meanwhile.
                    way.beat()
                for name, way in ways.items():
                    found[name].append(measure(getattr(way, call), times))
            direct, through = (median(each) for each in found.values())
            print(
                f"{call:5} {direct:7.0f} µs directly, {through:7.0f} µs by the gateway: +{through - direct:.0f}"
            )
        for way in ways.values():
            way.client.close()


if __name__ == "__main__":
    main()
