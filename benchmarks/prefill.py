"""Long prompts: how long they take to the first token, and what others notice of them.

    python -m benchmarks.prefill [--quick] [--rounds 3] [--words 1000 8000 32000 64000] [--chats 4]

The first table has the milliseconds to the first token for each thousand tokens of the prompt, beside mlx-lm's
BatchGenerator, which gets a prompt of the same length before or after. The second has chats that run and one-word
prompts that come four times a second, each alone and beside a long prompt. The model is random and small, with a
context of 128k tokens; a step of it is the gap between two tokens of the chats that run alone.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import uvloop

from benchmarks import load, model, preload
from benchmarks.bare_process import Bare, waves
from benchmarks.client import Client, read
from benchmarks.load import Scenario, percentile
from benchmarks.prompts import prompt
from benchmarks.server import MLXQ, Server, running

CONTEXT = 131_072
#: Seconds between two one-word prompts.
PAUSE = 0.25


@dataclass
class Noticed:
    """What others notice: gaps between tokens, and the time to the first token of a short prompt, in seconds."""

    gaps: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def figures(self) -> dict[str, float]:
        return {
            "gap p50 ms": 1e3 * percentile(self.gaps, 0.5),
            "gap p99 ms": 1e3 * percentile(self.gaps, 0.99),
            "one word, first token p50 ms": 1e3 * percentile(self.firsts, 0.5),
            "one word, first token p95 ms": 1e3 * percentile(self.firsts, 0.95),
        }


def main() -> None:
    args = _arguments()
    with tempfile.TemporaryDirectory(prefix="mlxq-prefill-") as scratch, contextlib.ExitStack() as stack:
        folder = model.random_qwen3(Path(scratch) / "model", model.SMALL, context=CONTEXT)
        blas = preload.environment(args.preload or preload.find())
        settings = {**blas, "MAX_BODY_MB": "100", "PROMPT_CACHE_MB": "0"}
        server = stack.enter_context(running(MLXQ, folder, settings))
        bare = stack.enter_context(waves(folder, blas))
        if not args.only_others:
            _first_tokens(server, bare, args.words, args.rounds)
        _others(server, args.long, args.chats, args.rounds)


def _first_tokens(server: Server, bare: Bare, lengths: list[int], rounds: int) -> None:
    found: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for number in range(-1, rounds):
        # The first round is a warm-up.
        for words in lengths if number >= 0 else lengths[:1]:
            scenario = Scenario("stream at 1", 1, 1, 2, stream=True, words=words)
            pair = dict[str, float]()
            for name in ("mlxq", "bare") if number % 2 else ("bare", "mlxq"):
                pair[name] = _first_token(server if name == "mlxq" else bare, scenario, f"{number} {words}")
            if number >= 0:
                found[words].append((pair["mlxq"], pair["bare"]))
                print(number + 1, words, json.dumps(pair), file=sys.stderr, flush=True)
    print(f"{rounds} rounds, {os.cpu_count()} cores\n")
    print(
        "| tokens of the prompt | mlxq, ms per 1,000 | bare, ms per 1,000 | times better than bare (min-max) |"
    )
    print("|--:|--:|--:|--:|")
    for words, pairs in found.items():
        ours, theirs = (statistics.median(each) / words * 1e3 for each in zip(*pairs, strict=True))
        ratios = [bare / mlxq for mlxq, bare in pairs]
        median = statistics.median(ratios)
        print(
            f"| {words:,} | {ours:,.1f} | {theirs:,.1f} | {median:.2f} ({min(ratios):.2f}-{max(ratios):.2f}) |"
        )


def _first_token(participant: Server | Bare, scenario: Scenario, seed: str) -> float:
    """Milliseconds."""
    if not isinstance(participant, Server):
        return participant(scenario, seed)["TTFT at 1 ms"]
    done = uvloop.run(load.run(participant.base_url, participant.model, scenario, seed))
    if done.errors:
        raise RuntimeError(done.errors[0])
    return load.figures(done)["TTFT at 1 ms"]


def _others(server: Server, long: int, chats: int, rounds: int) -> None:
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    longs: list[float] = []
    uvloop.run(_noticed(server, chats, 0, "warm-up"))
    for number in range(rounds):
        for name in ("alone", "beside") if number % 2 == 0 else ("beside", "alone"):
            noticed = uvloop.run(_noticed(server, chats, long if name == "beside" else 0, f"{number} {name}"))
            found[name].append(noticed.figures())
            if name == "beside":
                longs.append(noticed.seconds)
            print(
                number + 1, name, json.dumps(noticed.figures()), noticed.seconds, file=sys.stderr, flush=True
            )
    seconds = statistics.median(longs)
    print(
        f"\n{chats} chats and one-word prompts beside one of {long:,} tokens, which takes {seconds:.1f} s\n"
    )
    print("| | alone | beside it | beside / alone |\n|---|--:|--:|--:|")
    for figure in found["alone"][0]:
        alone, beside = (
            statistics.median(each[figure] for each in found[name]) for name in ("alone", "beside")
        )
        print(f"| {figure} | {alone:,.1f} | {beside:,.1f} | {beside / alone:.2f} |")


async def _noticed(server: Server, chats: int, long: int, seed: str) -> Noticed:
    """What others notice while a prompt of `long` words is read; 0: for five seconds without one."""
    noticed, over = Noticed(), asyncio.Event()
    client = Client(server.base_url, timeout=3600)
    others = [
        asyncio.create_task(_chats(client, f"{seed} {number}", noticed, over)) for number in range(chats)
    ]
    await asyncio.sleep(1.0)
    noticed.gaps.clear()
    others.append(asyncio.create_task(_words(client, noticed, over)))
    start = time.perf_counter()
    if long:
        await _ask(client, prompt(long, seed), 1)
    else:
        await asyncio.sleep(5.0)
    noticed.seconds = time.perf_counter() - start
    # What ends later was not beside it.
    result = Noticed(list(noticed.gaps), list(noticed.firsts), noticed.seconds)
    over.set()
    await asyncio.gather(*others)
    client.close()
    return result


async def _chats(client: Client, seed: str, noticed: Noticed, over: asyncio.Event) -> None:
    """One chat after the other."""
    for number in itertools.count():
        times = await _ask(client, prompt(16, f"{seed} {number}"), 48)
        noticed.gaps += [later - earlier for earlier, later in itertools.pairwise(times[1:])]
        if over.is_set():
            return


async def _words(client: Client, noticed: Noticed, over: asyncio.Event) -> None:
    while not over.is_set():
        times = await _ask(client, "hello", 1)
        noticed.firsts.append(times[1] - times[0])
        await asyncio.sleep(PAUSE)


async def _ask(client: Client, text: str, tokens: int) -> list[float]:
    """When it was asked, and when each token came."""
    body: dict[str, object] = {
        "model": "default",
        "messages": [{"role": "user", "content": text}],
        "max_tokens": tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
    }
    reply = await client.post("/chat/completions", body)
    answer = read(reply)
    if reply.error or answer.status != 200:
        raise RuntimeError(reply.error or f"{answer.status}: {answer.body[:300]!r}")
    return [reply.started, *(arrival for arrival, data in answer.events if _has_text(data))]


def _has_text(data: bytes) -> bool:
    if data == b"[DONE]":
        return False
    return any(choice["delta"].get("content") for choice in orjson.loads(data).get("choices", []))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="shorter prompts, one round")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--words", type=int, nargs="*", default=[], help="about the tokens of each prompt")
    parser.add_argument("--long", type=int, default=0, help="words of the one beside which others run")
    parser.add_argument("--chats", type=int, default=4)
    parser.add_argument("--only-others", action="store_true", help="only the second table")
    parser.add_argument("--preload", default="", help="value for LD_PRELOAD (Linux)")
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 3)
    args.words = args.words or ([1000, 4000, 16_000] if args.quick else [1000, 8000, 32_000, 64_000])
    args.long = args.long or (8000 if args.quick else 32_000)
    return args


if __name__ == "__main__":
    main()
