"""The limit: mlx-lm's `BatchGenerator` alone in a process, fed the prompts of the scenarios wave by wave.

    python -m benchmarks.bare --model PATH --seed S

Prints one JSON object of figures, named as those of `benchmarks.load`. No HTTP, no detokenizing, no queue.
"""

import argparse
import itertools
import json
import sys
import time
from pathlib import Path

start = time.perf_counter()

import mlx.core as mx  # noqa: E402
import psutil  # noqa: E402
from mlx_lm import load  # noqa: E402
from mlx_lm.generate import BatchGenerator  # noqa: E402

from benchmarks.load import SCENARIOS, WARM_UP, Run, Sample, Scenario, figures, quick  # noqa: E402


def measure(generator: BatchGenerator, tokenizer: object, scenario: Scenario, seed: str) -> Run:
    """Run one scenario; every wave is inserted at once, a closed one as a whole."""
    texts = scenario.prompts(seed)
    prompts = [_tokens(tokenizer, text) for text in texts]
    step = len(prompts) if scenario.closed else scenario.concurrency
    samples, walls = [], []
    for at in range(0, len(prompts), step):
        wave = prompts[at : at + step]
        tic = time.perf_counter()
        samples += _wave(generator, wave, scenario.max_tokens)
        walls.append(time.perf_counter() - tic)
    return Run(scenario, samples, walls, 0.0)


def _wave(generator: BatchGenerator, prompts: list[list[int]], max_tokens: int) -> list[Sample]:
    tic = time.perf_counter()
    uids = generator.insert(prompts, max_tokens=[max_tokens] * len(prompts))
    arrivals: dict[int, list[float]] = {uid: [] for uid in uids}
    left = len(uids)
    while left:
        responses = generator.next_generated()
        now = time.perf_counter() - tic
        for response in responses:
            arrivals[response.uid].append(now)
            left -= response.finish_reason is not None
    return [
        Sample(
            latency=times[-1],
            connect=0.0,
            ttft=times[0],
            tpot=(times[-1] - times[0]) / max(1, len(times) - 1),
            gaps=[b - a for a, b in itertools.pairwise(times)],
            prompt_tokens=len(prompt),
            tokens=len(times),
        )
        for prompt, times in zip(prompts, arrivals.values(), strict=True)
    ]


def _tokens(tokenizer: object, text: str) -> list[int]:
    messages = [{"role": "user", "content": text}]
    return list(tokenizer.apply_chat_template(messages, add_generation_prompt=True))  # type: ignore[attr-defined]


def _serve(generator: BatchGenerator, tokenizer: object) -> None:
    """One stream scenario for each line: `n` prompts of `words` words, `tokens` of each answer, `seed`."""
    for line in sys.stdin:
        asked = json.loads(line)
        name, words = f"stream at {asked['n']}", asked["words"]
        scenario = Scenario(name, asked["n"], 1, asked["tokens"], stream=True, words=words)
        began = time.process_time()
        found = figures(measure(generator, tokenizer, scenario, asked["seed"]))
        print(json.dumps(found | {"CPU s": time.process_time() - began}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--waves", action="store_true", help="run the waves that stdin asks for, a line each")
    args = parser.parse_args()
    process, rss = psutil.Process(), {}
    rss["RSS after import MB"] = process.memory_info().rss / 1e6
    model, tokenizer = load(str(args.model))[:2]
    mx.eval(model.parameters())
    rss["RSS after load MB"] = process.memory_info().rss / 1e6
    generator = BatchGenerator(model)
    _wave(generator, [_tokens(tokenizer, "Hello")], 1)
    rss["start to first answer s"] = time.perf_counter() - start
    if args.waves:
        _serve(generator, tokenizer)
        return
    measure(generator, tokenizer, WARM_UP, args.seed)
    found: dict[str, float] = dict(rss)
    for scenario in SCENARIOS:
        if not scenario.same_prompt:
            run = measure(generator, tokenizer, quick(scenario) if args.quick else scenario, args.seed)
            found |= figures(run)
    del found["requests, latency p95 ms"]  # all of them were inserted at once
    found["RSS after load test MB"] = process.memory_info().rss / 1e6
    print(json.dumps(found))


if __name__ == "__main__":
    main()
