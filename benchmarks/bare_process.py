"""`benchmarks.bare` in a process of its own, which runs one wave of streams after the other as it is asked to."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.load import Scenario

#: The figures of a wave of prompts, by `load.figures`' names. A wave is a scenario of one, and a seed.
Bare = Callable[[Scenario, str], dict[str, float]]


@contextlib.contextmanager
def waves(folder: Path, environment: dict[str, str]) -> Iterator[Bare]:
    """mlx-lm's BatchGenerator with the model in `folder`."""
    command = [sys.executable, "-m", "benchmarks.bare", "--model", str(folder), "--waves"]
    process = subprocess.Popen(
        command,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    asked, answered = process.stdin, process.stdout

    def wave(scenario: Scenario, seed: str) -> dict[str, float]:
        wanted = {
            "n": scenario.concurrency,
            "tokens": scenario.max_tokens,
            "words": scenario.words,
            "seed": seed,
        }
        print(json.dumps(wanted), file=asked, flush=True)
        found: dict[str, float] = json.loads(answered.readline())
        return found

    try:
        yield wave
    finally:
        asked.close()
        process.wait(20)
