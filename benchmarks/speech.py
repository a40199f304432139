"""Speech: how fast mlxq speaks against mlx-audio by itself, and what a chat beside it feels of it, in one run.

    python -m benchmarks.speech [--rounds 5] [--tokens 100] [--kinds wav mp3]

Both say the same text with the same random Qwen3-TTS in turns. The model is tiny: what mlxq adds to a step of sound
weighs more here than it does with a real one.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks import model, preload
from benchmarks.server import MLXQ, REPO, running
from tests.support.tts_checkpoints import random_qwen3_tts

TEXT = "Hello."
LONG = "This is a long story about a fox. " * 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=100, help="of sound, 12.5 a second")
    parser.add_argument("--kinds", nargs="+", default=["wav", "mp3"], help="formats to ask for")
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.bare is not None:
        _bare(args.bare)
        return
    with tempfile.TemporaryDirectory(prefix="mlxq-speech-") as scratch:
        speaker = random_qwen3_tts(Path(scratch) / "speaker", tokens=args.tokens, seed=1)
        chat = model.random_qwen3(Path(scratch) / "chat", model.TINY)
        environment = {
            **preload.environment(preload.find()),
            "TTS_MODEL": str(speaker),
        }
        with running(MLXQ, chat, environment) as server, httpx.Client(timeout=600) as http:
            library = _Library(speaker, environment)
            try:
                _speed(http, server.base_url, library, args)
            finally:
                library.close()
            _beside(http, server.base_url)


class _Library:
    """mlx-audio by itself, in a process with the same libraries below it as the server's worker."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.speech", "--bare", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPO,
            env={**os.environ, **environment},
        )

    def speak(self, seed: int) -> tuple[float, float]:
        """Seconds of sound, and seconds that they took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{seed}\n")
        self._process.stdin.flush()
        sound, taken = self._process.stdout.readline().split()
        return float(sound), float(taken)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


def _bare(folder: Path) -> None:
    """What `_Library` runs: for each seed on stdin, a line."""
    import mlx.core as mx
    from mlx_audio.tts.utils import load

    with contextlib.redirect_stdout(None):
        model: Any = load(folder)
    for line in sys.stdin:
        began = time.perf_counter()
        mx.random.seed(int(line))
        samples = 0
        for result in model.generate(TEXT, stream=True, streaming_interval=0.4):
            mx.eval(result.audio)
            samples += result.audio.shape[0]
        print(samples / model.sample_rate, time.perf_counter() - began, flush=True)


def _speed(http: httpx.Client, base_url: str, library: _Library, args: argparse.Namespace) -> None:
    def ours(kind: str, seed: int) -> None:
        body = {"input": TEXT, "response_format": kind, "seed": seed}
        http.post(f"{base_url}/audio/speech", json=body).raise_for_status()

    ratios: dict[str, list[float]] = {kind: [] for kind in args.kinds}
    for number in range(args.rounds + 1):
        length, library_seconds = library.speak(number)
        for kind in args.kinds:
            began = time.perf_counter()
            ours(kind, number)
            taken = time.perf_counter() - began
            if number > 0:
                ratios[kind].append(library_seconds / taken)
                print(
                    f"{kind}: {length:.1f} s of sound in {taken:.2f} s, by the library in {library_seconds:.2f} s"
                )
    for kind, found in ratios.items():
        spread = f"{min(found):.2f}-{max(found):.2f}"
        print(f"{kind}: {statistics.median(found):.2f} of the library's speed ({spread})")


def _beside(http: httpx.Client, base_url: str) -> None:
    """The mean time between two tokens of a chat, alone and while a long text is spoken."""
    alone = statistics.fmean(gaps(http, base_url))
    job = http.post(f"{base_url}/audio/speech", json={"input": LONG, "background": True}).json()["id"]
    while http.get(f"{base_url}/jobs/{job}").json()["status"] == "queued":
        time.sleep(0.01)
    beside = statistics.fmean(gaps(http, base_url))
    state = http.get(f"{base_url}/jobs/{job}").json()["status"]
    http.delete(f"{base_url}/jobs/{job}")
    if state != "in_progress":
        raise SystemExit(f"The text was not spoken all the while: its job is {state}.")
    print(
        f"between tokens: {alone * 1e3:.2f} ms alone, {beside * 1e3:.2f} ms beside speech: {beside / alone:.2f}"
    )


def gaps(http: httpx.Client, base_url: str) -> Iterator[float]:
    """Seconds between the tokens of one chat."""
    body = {
        "model": "default",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 200,
        "stream": True,
        "ignore_eos": True,
    }
    last = None
    with http.stream("POST", f"{base_url}/chat/completions", json=body) as answer:
        for line in answer.iter_lines():
            if '"content":"' in line:
                now = time.perf_counter()
                if last is not None:
                    yield now - last
                last = now


if __name__ == "__main__":
    main()
