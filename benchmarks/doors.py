"""The APIs of one server side by side, in alternating waves of streams: chat, Responses, Messages, Ollama.

    python -m benchmarks.doors --model PATH [--rounds 5] [--streams 1 8 32] [--quick]

Every wave has prompts of its own. The table has the median of each figure, and the ratios to chat completions of the
same round: above 1 is better than they are. `API µs/token` is the CPU time of the API's process, which another load
on the machine hardly changes.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson
import uvloop

from benchmarks import model, preload
from benchmarks.client import Client, Reply, read
from benchmarks.prompts import prompt
from benchmarks.server import MLXQ, Server, running

Figures = dict[str, float]
Body = dict[str, object]


@dataclass(frozen=True)
class Door:
    """An API: its path, the body of a request, and the text and the tokens that an event tells."""

    path: str
    body: Callable[[str, str, int], Body]
    text: Callable[[Body], object]
    tokens: Callable[[Body], object]


def _chat(name: str, text: str, tokens: int) -> Body:
    said = [{"role": "user", "content": text}]
    usage = {"include_usage": True}
    return {"model": name, "messages": said, "max_tokens": tokens, "stream": True, "stream_options": usage}


def _response(name: str, text: str, tokens: int) -> Body:
    return {"model": name, "input": text, "max_output_tokens": tokens, "stream": True, "store": False}


def _message(name: str, text: str, tokens: int) -> Body:
    said = [{"role": "user", "content": text}]
    return {"model": name, "messages": said, "max_tokens": tokens, "stream": True}


def _ollama(name: str, text: str, tokens: int) -> Body:
    said = [{"role": "user", "content": text}]
    return {"model": name, "messages": said, "options": {"num_predict": tokens}}


def _inside(event: object, *path: str | int) -> object:
    """What lies there in an event; None where nothing does."""
    for part in path:
        if isinstance(part, int):
            event = event[part] if isinstance(event, list) and len(event) > part else None
        else:
            event = event.get(part) if isinstance(event, dict) else None
    return event


DOORS = {
    "chat": Door(
        "/v1/chat/completions",
        _chat,
        lambda event: (
            _inside(event, "choices", 0, "delta", "content")
            or _inside(event, "choices", 0, "delta", "reasoning_content")
        ),
        lambda event: _inside(event, "usage", "completion_tokens"),
    ),
    "responses": Door(
        "/v1/responses",
        _response,
        lambda event: _inside(event, "delta"),
        lambda event: _inside(event, "response", "usage", "output_tokens"),
    ),
    "messages": Door(
        "/v1/messages",
        _message,
        lambda event: _inside(event, "delta", "text") or _inside(event, "delta", "thinking"),
        lambda event: _inside(event, "usage", "output_tokens"),
    ),
    "ollama": Door(
        "/api/chat",
        _ollama,
        lambda event: _inside(event, "message", "content") or _inside(event, "message", "thinking"),
        lambda event: _inside(event, "eval_count"),
    ),
}


def main() -> None:
    args = _arguments()
    streams, rounds = ([1, 8], 2) if args.quick else (args.streams, args.rounds)
    with tempfile.TemporaryDirectory(prefix="mlxq-bench-model-") as scratch, contextlib.ExitStack() as stack:
        folder = Path(scratch) / "model"
        model.endless(args.model.resolve(), folder)
        blas = preload.environment(args.preload or preload.find())
        server = stack.enter_context(running(MLXQ, folder, blas))
        for name in DOORS:
            _wave(server, name, max(streams), 8, "warm-up")
        found: dict[tuple[int, str], list[Figures]] = defaultdict(list)
        for number in range(rounds):
            names = list(DOORS)[number % len(DOORS) :] + list(DOORS)[: number % len(DOORS)]
            for count in streams:
                for name in names:
                    figures = _wave(server, name, count, args.tokens, f"{number}")
                    found[count, name].append(figures)
                    print(number + 1, count, name, json.dumps(figures), file=sys.stderr, flush=True)
        for count in streams:
            print(f"\n{count} streams")
            for name in DOORS:
                print(f"  {name:10}", *(_line(found[count, name], found[count, "chat"])))


def _wave(server: Server, name: str, count: int, tokens: int, seed: str) -> Figures:
    return uvloop.run(_run(server, DOORS[name], count, tokens, f"{name} {seed} {time.time_ns()}"))


async def _run(server: Server, door: Door, count: int, tokens: int, seed: str) -> Figures:
    client = Client(server.base_url.removesuffix("/v1"))
    bodies = [door.body(server.model, prompt(32, f"{seed} {number}"), tokens) for number in range(count)]
    used, start = server.cpu_of("api"), time.perf_counter()
    replies = await asyncio.gather(*(client.post(door.path, body) for body in bodies))
    wall, used = time.perf_counter() - start, server.cpu_of("api") - used
    client.close()
    firsts = [_first(door, reply, tokens) for reply in replies]
    return {
        "TTFT": round(1e3 * statistics.median(firsts), 2),
        "tokens/s": round(count * tokens / wall, 2),
        "API µs/token": round(1e6 * used / (count * tokens), 1),
    }


def _first(door: Door, reply: Reply, tokens: int) -> float:
    """Seconds until the first text. Raises RuntimeError for what is no whole answer."""
    answer = read(reply)
    if reply.error or answer.status != 200:
        raise RuntimeError(reply.error or f"{answer.status}: {answer.body[:300]!r}")
    events = [(at, orjson.loads(data)) for at, data in answer.events if data != b"[DONE]"]
    told = [door.tokens(event) for _, event in events]
    if tokens not in told:
        raise RuntimeError(f"not {tokens} tokens: {[each for each in told if each]}")
    return next(at for at, event in events if door.text(event)) - reply.started


def _line(ours: list[Figures], chats: list[Figures]) -> list[str]:
    texts = []
    for figure in ours[0]:
        # More is better for a rate, less for a time.
        ratios = [
            one[figure] / other[figure] if figure == "tokens/s" else other[figure] / one[figure]
            for one, other in zip(ours, chats, strict=True)
        ]
        middle = statistics.median(each[figure] for each in ours)
        spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
        texts.append(f"{figure} {middle:.2f} ({statistics.median(ratios):.2f}: {spread})")
    return texts


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="a copy without an end token is measured")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--streams", type=int, nargs="*", default=[1, 8, 32])
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--preload", default="", help="value for LD_PRELOAD (Linux)")
    parser.add_argument(
        "--quick", action="store_true", help="few waves: for trying things out, not for figures"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
