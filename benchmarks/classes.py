"""What somebody who waits notices of work in the background, and what that work loses.

    python -m benchmarks.classes [--rounds 3] [--seconds 10] [--streams 8]

Short chats come one after the other, with a pause, alone and beside streams and pictures of the background. The table
has the time to their first token, and the speed of the background with them and by itself.
"""

import argparse
import asyncio
import contextlib
import itertools
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import uvloop

from benchmarks import model, preload
from benchmarks.client import Client, read
from benchmarks.load import percentile
from benchmarks.prompts import prompt
from benchmarks.server import MLXQ, REPO, running

#: Seconds between two chats of somebody who waits.
PAUSE = 0.3


@dataclass
class Seen:
    """`firsts`: seconds to each chat's first token. `tokens` and `pictures`: when those of the background came."""

    firsts: list[float] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)
    pictures: list[float] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0

    def rate(self, times: list[float]) -> float:
        """How many came in a second."""
        return sum(self.began <= each < self.ended for each in times) / (self.ended - self.began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--streams", type=int, default=8)
    args = parser.parse_args()
    found: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="mlxq-classes-") as scratch:
        folder = model.random_qwen3(Path(scratch) / "model", model.BIG)
        settings = {**preload.environment(preload.find()), "IMAGE_MODEL": str(REPO / "models" / "tiny-image")}
        with running(MLXQ, folder, settings) as server:
            uvloop.run(_seen(server.base_url, 2, args.streams, chats=True))
            for number in range(args.rounds):
                order = ("idle", "background", "both") if number % 2 == 0 else ("both", "background", "idle")
                for name in order:
                    streams = 0 if name == "idle" else args.streams
                    seen = uvloop.run(
                        _seen(server.base_url, args.seconds, streams, chats=name != "background")
                    )
                    if seen.firsts:
                        found[f"{name} p50"].append(1e3 * percentile(seen.firsts, 0.5))
                        found[f"{name} p95"].append(1e3 * percentile(seen.firsts, 0.95))
                    found[f"{name} tokens"].append(seen.rate(seen.tokens))
                    found[f"{name} pictures"].append(seen.rate(seen.pictures))
    middle = {name: statistics.median(values) for name, values in found.items()}
    print(f"{args.rounds} rounds; {args.streams} streams and pictures in the background\n")
    print("| first token of a chat | idle | beside the background | times |\n|---|--:|--:|--:|")
    for name in ("p50", "p95"):
        idle, both = middle[f"idle {name}"], middle[f"both {name}"]
        print(f"| {name} ms | {idle:.1f} | {both:.1f} | {both / idle:.2f} |")
    print("\n| the background | by itself | beside the chats | share |\n|---|--:|--:|--:|")
    for name in ("tokens", "pictures"):
        itself, both = middle[f"background {name}"], middle[f"both {name}"]
        print(f"| {name} per second | {itself:.2f} | {both:.2f} | {both / max(itself, 1e-9):.2f} |")


async def _seen(base_url: str, seconds: float, streams: int, *, chats: bool) -> Seen:
    client, seen, over = Client(base_url, timeout=600), Seen(), asyncio.Event()
    async with _working(client, seen, streams, over):
        await asyncio.sleep(1.0 if streams else 0.0)
        seen.began = time.perf_counter()
        seen.ended = seen.began + seconds
        while time.perf_counter() < seen.ended:
            if chats:
                started, times = await _ask(client, prompt(16, f"chat {time.time()}"), 4, "interactive")
                seen.firsts.append(times[0] - started)
            await asyncio.sleep(PAUSE)
        over.set()
    client.close()
    return seen


@contextlib.asynccontextmanager
async def _working(client: Client, seen: Seen, streams: int, over: asyncio.Event) -> AsyncIterator[None]:
    async def stream(number: int) -> None:
        for turn in itertools.count():
            seen.tokens += (await _ask(client, prompt(16, f"{number} {turn}"), 96, "background"))[1]
            if over.is_set():
                return

    async def paint() -> None:
        body = {"prompt": "a sea", "size": "64x64", "steps": 4, "priority": "background"}
        while not over.is_set():
            reply = await client.post("/images/generations", body)
            if reply.error or (answer := read(reply)).status != 200:
                raise RuntimeError(reply.error or f"{answer.status}: {answer.body[:300]!r}")
            seen.pictures.append(time.perf_counter())

    tasks = [asyncio.create_task(stream(number)) for number in range(streams)]
    if streams:
        tasks.append(asyncio.create_task(paint()))
    try:
        yield
    finally:
        await asyncio.gather(*tasks)


async def _ask(client: Client, text: str, tokens: int, priority: str) -> tuple[float, list[float]]:
    """When it was asked, and when each token came."""
    body: dict[str, object] = {
        "model": "default",
        "messages": [{"role": "user", "content": text}],
        "max_tokens": tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "priority": priority,
    }
    reply = await client.post("/chat/completions", body)
    if reply.error or (answer := read(reply)).status != 200:
        raise RuntimeError(reply.error or f"{answer.status}: {answer.body[:300]!r}")
    return reply.started, [at for at, data in answer.events if _has_text(data)]


def _has_text(data: bytes) -> bool:
    if data == b"[DONE]":
        return False
    return any(choice["delta"].get("content") for choice in orjson.loads(data).get("choices", []))


if __name__ == "__main__":
    main()
