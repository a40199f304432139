"""The prompt cache of one chat engine: prompts that are cut short, conversations in turns, and memory.

    python -m benchmarks.prompt_cache [--quick] [--model PATH]

Runs the engine in this process. Prints how many tokens of a prompt are read when its client leaves at 10, 50 and 90 %
of it and asks again five times; how much of each turn of interleaved conversations is cached, and how long the first
token takes; and MLX' memory and the resident memory over many turns of many conversations, with caches in memory and
on the disk that can't hold them all, and the slope of the second half.
"""

import argparse
import gc
import random
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import mlx.core as mx
import msgspec
import psutil

from benchmarks import model
from benchmarks.prompts import prompt
from config.settings import Settings
from jobs.payloads import ChatPayload
from jobs.results import TextResult
from mlxq.catalog import ModelRef
from worker.engines.base import Done, Failed
from worker.engines.llm.chat import ChatEngine, load

MB = 1e6
Message = dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="an eighth of the tokens")
    parser.add_argument("--model", type=Path, help="a chat model's folder; by default a small random one")
    args = parser.parse_args()
    share = 8 if args.quick else 1
    with tempfile.TemporaryDirectory(prefix="mlxq-prompts-") as scratch:
        folder = args.model or model.random_qwen3(Path(scratch) / "model", model.TINY, context=1 << 16)
        with _engine(folder) as engine:
            _cut_short(engine, 16_000 // share)
            _interleaved(engine, 3, 10_000 // share)
        _memory(folder, Path(scratch), 20, 200, 800 // share)


@contextmanager
def _engine(folder: Path, **settings: Any) -> Iterator[ChatEngine]:
    engine = load(ModelRef("model", folder), Settings(**{"prompt_cache_disk_gb": 0, **settings}))
    try:
        yield engine
    finally:
        engine.close()


def _cut_short(engine: ChatEngine, tokens: int) -> None:
    """Leave at a part of the prompt, four times more at once, and stay at last."""
    wanted = [_user("cut", tokens)]
    length = _ask(engine, wanted, 1).usage.prompt_tokens
    for share in (0.1, 0.5, 0.9):
        engine.clear_cache()
        with _counted(engine) as read:
            engine.add("cut", _payload(wanted, 1), 0)
            while sum(read) < share * length:
                engine.step()
            engine.remove("cut")
            for _ in range(4):
                engine.add("cut", _payload(wanted, 1), 0)
                engine.step()
                engine.remove("cut")
            last = _ask(engine, wanted, 1).usage
        print(
            f"cut at {share:.0%} of {length} tokens, five resends: {sum(read)} read in all ({sum(read) / length:.3f} "
            f"of the prompt), {last.cached_tokens} cached at last",
            flush=True,
        )


def _interleaved(engine: ChatEngine, conversations: int, tokens: int) -> None:
    """One turn of each conversation, then the next of each."""
    engine.clear_cache()
    histories = [[_user(f"conversation {number}", tokens)] for number in range(conversations)]
    for turn in (1, 2):
        results = []
        for history in histories:
            result = _ask(engine, history, 16)
            results.append(result)
            history += [{"role": "assistant", "content": result.choices[0].text}, _user(f"turn {turn}", 50)]
        cached = [f"{each.usage.cached_tokens / each.usage.prompt_tokens:.1%}" for each in results]
        first = statistics.median(each.timings.prompt_seconds for each in results)
        print(
            f"{conversations} conversations of {tokens} tokens, turn {turn}: cached {', '.join(cached)}; "
            f"first token after {first:.2f} s",
            flush=True,
        )


def _memory(folder: Path, data: Path, conversations: int, turns: int, tokens: int) -> None:
    """Turns of conversations in a random order; memory and the disk hold half of them each."""
    with _engine(folder) as engine:
        _ask(engine, [_user("one", tokens)], 1)
        half = conversations / 2 * engine.cache_bytes
    megabytes = half / 2**20
    bounds = {"prompt_cache_mb": megabytes, "prompt_cache_disk_gb": half / 1e9, "data_dir": data}
    with _engine(folder, **bounds) as engine:
        histories = [[_user(f"conversation {number}", tokens)] for number in range(conversations)]
        order = random.Random(1)
        points: list[tuple[int, float, float]] = []
        most, stored, hits = 0, 0, 0
        for turn in range(turns):
            history = order.choice(histories)
            result = _ask(engine, history, 8)
            history += [{"role": "assistant", "content": result.choices[0].text}, _user(f"turn {turn}", 30)]
            hits += result.usage.cached_tokens > tokens
            most = max(most, engine.cache_bytes)
            stored = max(stored, _stored_bytes(data / "prompt_cache"))
            gc.collect()
            points.append((turn, mx.get_active_memory() / MB, psutil.Process().memory_info().rss / MB))
        second = points[len(points) // 2 :]
        print(
            f"{turns} turns of {conversations} conversations of {tokens} tokens and more: the cache had at most "
            f"{most / MB:.1f} MB of {half / MB:.1f} in memory and {stored / MB:.1f} on the disk; "
            f"{hits} turns were cached"
        )
        for name, column in (("MLX", 1), ("RSS", 2)):
            values = [point[column] for point in second]
            slope = statistics.linear_regression([point[0] for point in second], values).slope
            print(
                f"{name}: {points[0][column]:.1f} MB at first, {values[0]:.1f} at half, {values[-1]:.1f} at the end; "
                f"slope of the second half {slope * 1e3:+.1f} kB per turn",
                flush=True,
            )


def _stored_bytes(folder: Path) -> int:
    """Files may be deleted meanwhile."""
    total = 0
    for file in folder.rglob("*.safetensors"):
        with suppress(FileNotFoundError):
            total += file.stat().st_size
    return total


def _user(label: str, tokens: int) -> Message:
    """A message of about so many tokens, which differs from its first word on."""
    return {"role": "user", "content": f"{label}: {prompt(tokens, label)}"}


def _payload(messages: list[Message], tokens: int) -> ChatPayload:
    body = {"messages": messages, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
    return msgspec.convert(body, ChatPayload)


def _ask(engine: ChatEngine, messages: list[Message], tokens: int) -> TextResult:
    engine.add("asked", _payload(messages, tokens), 0)
    while True:
        for output in engine.step():
            if isinstance(output, Failed):
                raise RuntimeError(output.error)
            if isinstance(output, Done):
                engine.tidy()
                assert isinstance(output.result, TextResult)
                return output.result
        engine.tidy()


@contextmanager
def _counted(engine: ChatEngine) -> Iterator[list[int]]:
    """How many tokens of prompts the model computes, call by call."""
    kind = type(engine._language.model)
    compute = kind.__call__
    sizes: list[int] = []

    def counted(self: Any, tokens: mx.array, *args: Any, **options: Any) -> Any:
        if tokens.shape[1] > 1:
            sizes.append(tokens.shape[1])
        return compute(self, tokens, *args, **options)

    kind.__call__ = counted
    try:
        yield sizes
    finally:
        kind.__call__ = compute


if __name__ == "__main__":
    main()
