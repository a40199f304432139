"""What structured output costs: tokens per second of a batch with a JSON schema against the same batch without.

    python -m benchmarks.structured [--rounds 5] [--concurrency 8] [--tiny]

Both kinds of batch run in the same server, in turns. Each answer has exactly `--tokens` tokens: the schema asks
for more than that, and the plain chats ignore their end token.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import uvloop

from benchmarks import model, preload
from benchmarks.prompts import prompt
from benchmarks.server import MLXQ, running

ITEM = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "size": {"type": "integer"}},
    "required": ["name", "size"],
    "additionalProperties": False,
}
SCHEMA = {"type": "array", "items": ITEM, "minItems": 1000}
FORM = {"type": "json_schema", "json_schema": {"name": "items", "strict": True, "schema": SCHEMA}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--tiny", action="store_true", help="1 M parameters instead of 20 M")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlxq-structured-") as scratch:
        blas = preload.find()
        size = model.TINY if args.tiny else model.BIG
        folder = model.random_qwen3(Path(scratch) / "model", size)
        with running(MLXQ, folder, preload.environment(blas)) as server:
            uvloop.run(_compare(server.base_url, args.rounds, args.concurrency, args.tokens))


async def _compare(base_url: str, rounds: int, concurrency: int, tokens: int) -> None:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=base_url, limits=limits, timeout=600) as http:
        kinds: dict[str, dict[str, Any]] = {"plain": {}, "structured": {"response_format": FORM}}
        for kind in kinds.values():
            await _batch(http, "warm-up", concurrency, tokens, kind)
        speeds: dict[str, list[float]] = {name: [] for name in kinds}
        for number in range(rounds):
            for name in sorted(kinds, reverse=number % 2 == 1):
                speeds[name].append(await _batch(http, str(number), concurrency, tokens, kinds[name]))
    ratios = [
        structured / plain for structured, plain in zip(speeds["structured"], speeds["plain"], strict=True)
    ]
    for name, measured in speeds.items():
        print(
            f"{name}: {statistics.median(measured):,.0f} tokens/s ({min(measured):,.0f}-{max(measured):,.0f})"
        )
    print(
        f"structured against plain, {concurrency} at once, {rounds} rounds: {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f}-{max(ratios):.2f})"
    )


async def _batch(
    http: httpx.AsyncClient, seed: str, concurrency: int, tokens: int, extra: dict[str, Any]
) -> float:
    """Tokens per second of one batch of chats at once."""
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        answers = [
            group.create_task(_ask(http, prompt(32, f"{seed} {i}"), tokens, extra))
            for i in range(concurrency)
        ]
    elapsed = time.perf_counter() - start
    if any(answer.result() != tokens for answer in answers):
        raise SystemExit("An answer has another number of tokens: this was not the same work.")
    return concurrency * tokens / elapsed


async def _ask(http: httpx.AsyncClient, text: str, tokens: int, extra: dict[str, Any]) -> int:
    body = {
        "model": "default",
        "messages": [{"role": "user", "content": text}],
        "max_tokens": tokens,
        "ignore_eos": True,
        **extra,
    }
    answer = await http.post("/chat/completions", json=body)
    answer.raise_for_status()
    return int(answer.json()["usage"]["completion_tokens"])


if __name__ == "__main__":
    main()
