"""Load on any OpenAI-compatible chat server: scenarios, what each request showed, and the figures.

    python -m benchmarks.load --base-url http://127.0.0.1:8080/v1 --model default

Times are in seconds inside and in milliseconds in the figures. Scenarios ask for `ignore_eos`; a request that
brings other than `max_tokens` tokens is an error all the same, as it would not be the same work.
"""

import argparse
import asyncio
import itertools
import json
import resource
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import orjson
import uvloop

from benchmarks.client import Client, Reply, read
from benchmarks.prompts import prompt


@dataclass(frozen=True)
class Scenario:
    """`waves` times `concurrency` requests at once; `closed` keeps that many going, without waves."""

    name: str
    concurrency: int
    waves: int
    max_tokens: int
    stream: bool = False
    closed: bool = False
    words: int = 32
    same_prompt: bool = False

    def prompts(self, seed: str) -> list[str]:
        """One prompt per request, in order; `seed` makes them differ from those of other runs."""
        count = 1 if self.same_prompt else self.waves * self.concurrency
        texts = [prompt(self.words, f"{seed} {self.name} {i}") for i in range(count)]
        return texts * (self.waves * self.concurrency if self.same_prompt else 1)


SCENARIOS = (
    Scenario("latency of 1 token", 1, 16, 1),
    Scenario("latency of 32 tokens", 1, 6, 32),
    Scenario("stream at 1", 1, 5, 64, stream=True),
    Scenario("stream at 8", 8, 3, 64, stream=True),
    Scenario("stream at 32", 32, 3, 64, stream=True),
    Scenario("batch at 1", 1, 5, 64),
    Scenario("batch at 8", 8, 3, 64),
    Scenario("batch at 32", 32, 3, 64),
    Scenario("requests", 32, 6, 4, closed=True, words=8),
    Scenario("same prompt", 1, 2, 4, stream=True, words=1900, same_prompt=True),
)
WARM_UP = Scenario("warm-up", 8, 2, 8, stream=True)


@dataclass
class Sample:
    """One request, in seconds. `ttft`: until the first text; `tpot`: per token after it."""

    latency: float
    connect: float
    ttft: float = 0.0
    tpot: float = 0.0
    gaps: list[float] = field(default_factory=list)
    prompt_tokens: int = 0
    tokens: int = 0
    cached_tokens: int = 0
    error: str = ""


@dataclass
class Run:
    """What a scenario showed. `walls`: seconds of each wave (of the whole run when closed).

    `client_cpu`: seconds of CPU the load generator took per second of the run.
    """

    scenario: Scenario
    samples: list[Sample]
    walls: list[float]
    client_cpu: float

    @property
    def errors(self) -> list[str]:
        return [sample.error for sample in self.samples if sample.error]


async def run(base_url: str, model: str, scenario: Scenario, seed: str) -> Run:
    """Put one scenario on the server. Never raises for a failing server: see `Run.errors`."""
    client = Client(base_url)
    bodies = [_body(scenario, model, text) for text in scenario.prompts(seed)]
    walls: list[float] = []
    replies: list[Reply] = []
    cpu, start = time.process_time(), time.perf_counter()
    if scenario.closed:
        waiting = iter(bodies)

        async def work() -> None:
            for body in waiting:
                replies.append(await client.post("/chat/completions", body))

        await asyncio.gather(*(work() for _ in range(scenario.concurrency)))
        walls.append(time.perf_counter() - start)
    else:
        for at in range(0, len(bodies), scenario.concurrency):
            tic = time.perf_counter()
            wave = bodies[at : at + scenario.concurrency]
            replies += await asyncio.gather(*(client.post("/chat/completions", body) for body in wave))
            walls.append(time.perf_counter() - tic)
    client_cpu = (time.process_time() - cpu) / (time.perf_counter() - start)
    client.close()
    return Run(scenario, [_sample(reply, scenario) for reply in replies], walls, client_cpu)


def figures(run: Run) -> dict[str, float]:
    """The figures of one run by name and unit: medians over requests, rates over the median wave."""
    name, scenario = run.scenario.name, run.scenario
    good = [sample for sample in run.samples if not sample.error]
    if not good:
        return {}
    tokens, wall = sum(sample.tokens for sample in good), statistics.median(run.walls)
    if scenario.closed:
        return {
            "requests/s": len(good) / wall,
            "requests, latency p95 ms": 1e3 * percentile([sample.latency for sample in good], 0.95),
        }
    if scenario.same_prompt:
        first, last = good[0], good[-1]
        return {
            "TTFT of a long prompt ms": 1e3 * first.ttft,
            "TTFT of the same again ms": 1e3 * last.ttft,
            "times faster again": first.ttft / last.ttft,
            "prompt tokens of the long prompt": first.prompt_tokens,
            "cached tokens of the same again": last.cached_tokens,
        }
    if name.startswith("latency"):
        return {f"{name} ms": 1e3 * statistics.median(sample.latency for sample in good)}
    rate = {f"tokens/s, {name}": tokens / len(run.walls) / wall}
    if not scenario.stream:
        return rate
    at = f"at {scenario.concurrency} ms"
    gaps = [gap for sample in good for gap in sample.gaps] or [0.0]
    return {
        f"TTFT {at}": 1e3 * statistics.median(sample.ttft for sample in good),
        f"TTFT p95 {at}": 1e3 * percentile([sample.ttft for sample in good], 0.95),
        f"per token {at}": 1e3 * statistics.median(sample.tpot for sample in good),
        f"gap p99 {at}": 1e3 * percentile(gaps, 0.99),
        **rate,
    }


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def quick(scenario: Scenario) -> Scenario:
    """The same scenario, a third of the requests: for trying things out, not for figures."""
    return scenario if scenario.same_prompt else replace(scenario, waves=max(1, scenario.waves // 3))


def _body(scenario: Scenario, model: str, text: str) -> dict[str, object]:
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": scenario.max_tokens,
        "temperature": 0,
        "ignore_eos": True,
    }
    return body | {"stream": True, "stream_options": {"include_usage": True}} if scenario.stream else body


def _sample(reply: Reply, scenario: Scenario) -> Sample:
    sample = Sample(reply.finished - reply.started, reply.connected - reply.started, error=reply.error)
    answer = read(reply)
    if sample.error or answer.status != 200:
        sample.error = sample.error or f"{answer.status}: {answer.body[:200]!r}"
        return sample
    try:
        if scenario.stream:
            _read_stream(answer.events, reply.started, sample)
        else:
            _read_usage(orjson.loads(answer.body)["usage"], sample)
    except (orjson.JSONDecodeError, KeyError) as error:
        sample.error = f"not an answer: {error!r}"
    if not sample.error and sample.tokens != scenario.max_tokens:
        sample.error = f"{sample.tokens} tokens instead of {scenario.max_tokens}"
    return sample


def _read_stream(events: list[tuple[float, bytes]], started: float, sample: Sample) -> None:
    arrivals = []
    for arrival, data in events:
        if data == b"[DONE]":
            continue
        chunk = orjson.loads(data)
        if "error" in chunk:
            sample.error = str(chunk["error"])
        if chunk.get("usage"):
            _read_usage(chunk["usage"], sample)
        for choice in chunk.get("choices", []):
            delta = choice["delta"]
            if any(delta.get(key) for key in ("content", "reasoning", "reasoning_content", "tool_calls")):
                arrivals.append(arrival)
    if not arrivals:
        sample.error = sample.error or "no text in the stream"
        return
    sample.ttft = arrivals[0] - started
    sample.tpot = (arrivals[-1] - arrivals[0]) / max(1, sample.tokens - 1)
    sample.gaps = [b - a for a, b in itertools.pairwise(arrivals)]


def _read_usage(usage: dict[str, object], sample: Sample) -> None:
    details = usage.get("prompt_tokens_details")
    sample.prompt_tokens, sample.tokens = (
        int(str(usage["prompt_tokens"])),
        int(str(usage["completion_tokens"])),
    )
    sample.cached_tokens = int(details.get("cached_tokens") or 0) if isinstance(details, dict) else 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base-url", default="http://127.0.0.1:8080/v1", help="ends in /v1")
    parser.add_argument("--model", default="default")
    parser.add_argument("--only", default="", help="only scenarios whose name holds this")
    parser.add_argument("--quick", action="store_true", help="a third of the requests")
    parser.add_argument("--seed", default=str(time.time_ns()), help="same seed, same prompts")
    args = parser.parse_args()
    for scenario in (WARM_UP, *SCENARIOS):
        if args.only in scenario.name:
            done = uvloop.run(
                run(args.base_url, args.model, quick(scenario) if args.quick else scenario, args.seed)
            )
            shown = {name: round(value, 2) for name, value in figures(done).items()}
            slow = max(sample.connect for sample in done.samples)
            extra = {"client cpu": round(done.client_cpu, 3), "slowest connect ms": round(1e3 * slow, 1)}
            print(scenario.name, json.dumps(shown | extra), *(done.errors[:1]), flush=True)
    print("client peak MB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    main()
