"""Many clients and many jobs: Redis connections, memory, and what is left behind.

    python -m benchmarks.soak [--clients 1000] [--jobs 10000] [--model PATH]

Starts mlxq with `QUEUE_LIMIT=2000` and a short `RESULT_TTL`; has `--clients` requests wait at once and counts
Redis' connections meanwhile; runs `--jobs` one-token chats and reports the resident memory of API and worker
over them with the slope of its second half; then waits for the TTL and counts the keys that are left.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
import psutil
import redis
import uvloop

from benchmarks import model
from benchmarks.server import MLXQ, Server, running

MB = 1e6
#: Seconds that results are kept in this run.
TTL = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clients", type=int, default=1000, help="requests that wait at once")
    parser.add_argument("--jobs", type=int, default=10_000, help="one-token chats")
    parser.add_argument("--concurrency", type=int, default=32, help="chats at a time")
    parser.add_argument("--model", type=Path, help="a chat model's folder; by default a small random one")
    args = parser.parse_args()
    settings = {"RESULT_TTL": str(TTL), "EVENTS_TTL": str(TTL), "PROMPT_CACHE_MB": "16"}
    with tempfile.TemporaryDirectory(prefix="mlxq-soak-") as scratch:
        folder = args.model or model.random_qwen3(Path(scratch) / "model", model.TINY)
        with running(MLXQ, folder, settings) as server:
            uvloop.run(_soak(server, args.clients, args.jobs, args.concurrency))


async def _soak(server: Server, clients: int, jobs: int, concurrency: int) -> None:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.base_url, limits=limits, timeout=600) as http:
        connection = redis.Redis.from_url(server.redis_url, decode_responses=True)
        await _crowd(http, server, connection, clients)
        await _many(http, server, jobs, concurrency)
        await _leftovers(connection)


async def _crowd(http: httpx.AsyncClient, server: Server, connection: redis.Redis, clients: int) -> None:
    """Everybody at once: half of them stream."""
    most = 0
    done = asyncio.Event()

    async def count() -> None:
        nonlocal most
        while not done.is_set():
            most = max(most, len(connection.client_list()) - 1)
            await asyncio.sleep(0.02)

    counter = asyncio.create_task(count())
    start = time.perf_counter()
    codes = Counter(
        await asyncio.gather(*(_chat(http, server.model, n, 8, stream=n % 2 == 0) for n in range(clients)))
    )
    done.set()
    await counter
    print(
        f"{clients} clients at once: {dict(codes)} in {time.perf_counter() - start:.1f} s, "
        f"at most {most} Redis connections",
        flush=True,
    )


async def _many(http: httpx.AsyncClient, server: Server, jobs: int, concurrency: int) -> None:
    processes = _python_processes(server)
    series: dict[str, list[tuple[int, float]]] = {name: [] for name in processes}
    codes: Counter[int] = Counter()
    numbers = iter(range(jobs))
    start = time.perf_counter()

    async def client() -> None:
        for number in numbers:
            codes[await _chat(http, server.model, number, 1, stream=False)] += 1
            if number % max(1, jobs // 40) == 0:
                for name, process in processes.items():
                    series[name].append((number, process.memory_info().rss / MB))

    await asyncio.gather(*(client() for _ in range(concurrency)))
    seconds = time.perf_counter() - start
    print(f"{jobs} jobs: {dict(codes)} in {seconds:.1f} s, {jobs / seconds:.0f} a second")
    for name, points in series.items():
        half = points[len(points) // 2 :]
        slope = statistics.linear_regression([n for n, _ in half], [rss for _, rss in half]).slope
        print(
            f"{name}: RSS {points[0][1]:.1f} MB at first, {half[0][1]:.1f} at half, {points[-1][1]:.1f} "
            f"at the end; slope of the second half {slope * 1e6:+.1f} kB per 1,000 jobs",
            flush=True,
        )


async def _leftovers(connection: redis.Redis) -> None:
    """Wait until what may expire has expired."""
    deadline = time.monotonic() + 3 * TTL + 40
    while time.monotonic() < deadline:
        names = Counter(":".join(key.split(":")[:2]) for key in connection.scan_iter())
        if not {"rq:job", "rq:finished", "mlxq:jobs", "mlxq:events", "rq:results"} & names.keys():
            break
        await asyncio.sleep(1)
    print(f"keys left after their TTL of {TTL} s: {dict(names)}")


async def _chat(http: httpx.AsyncClient, name: str, number: int, tokens: int, *, stream: bool) -> int:
    body = {
        "model": name,
        "messages": [{"role": "user", "content": f"Number {number}, please."}],
        "max_tokens": tokens,
        "temperature": 0,
        "stream": stream,
    }
    response = await http.post("/chat/completions", content=json.dumps(body))
    if response.status_code == 200 and stream and not response.text.endswith("data: [DONE]\n\n"):
        return 0
    return response.status_code


def _python_processes(server: Server) -> dict[str, psutil.Process]:
    """The API's and the worker's own processes, without their parents that only watch."""
    found = {}
    for process in server.process.children(recursive=True):
        command = process.cmdline()
        if command[-2:-1] == ["-m"] and "mlxq.launch.supervisor" not in command:
            found[command[-1]] = process
    return {name: process for name, process in found.items() if name in ("api", "worker")}


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
