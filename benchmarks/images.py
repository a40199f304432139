"""A picture beside a chat, with turns and with overlap: what each feels of the other, in one run.

    python -m benchmarks.images [--rounds 5] [--steps 9] [--size 64x64]

Two servers with the same models run side by side, one with LANES=turns, one with LANES=overlap. Each round asks both
for chats alone, a picture alone, and chats one after the other for as long as a picture takes; the order is turned
every other round.

Both models are random: the chat's has 1 M parameters, the picture's 64 M. Decoding weighs more than with real ones.
"""

import argparse
import contextlib
import itertools
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import mlx.core as mx

from benchmarks import model, preload
from benchmarks.server import MLXQ, running
from tests.support.image_checkpoints import random_z_image

MODES = ("turns", "overlap")


@dataclass
class Chats:
    """Seconds: to the first token of each chat, and between two tokens."""

    first: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=9)
    parser.add_argument("--size", default="64x64")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlxq-images-") as scratch, contextlib.ExitStack() as stack:
        painter = random_z_image(Path(scratch) / "painter", dtype=mx.float32, width=512, layers=20)
        chat = model.random_qwen3(Path(scratch) / "chat", model.TINY)
        blas = preload.find()
        environment = {**preload.environment(blas), "IMAGE_MODEL": str(painter)}
        urls = {
            lanes: stack.enter_context(running(MLXQ, chat, {**environment, "LANES": lanes})).base_url
            for lanes in MODES
        }
        http = stack.enter_context(httpx.Client(timeout=600))
        found = Figures(http, {"prompt": "a fox", "size": args.size, "steps": args.steps, "previews": False})
        for number in range(args.rounds + 1):
            for lanes in sorted(urls, reverse=number % 2 == 1):
                found.round(lanes, urls[lanes], count=number > 0)
        found.show()


class Figures:
    """What was measured, by mode."""

    def __init__(self, http: httpx.Client, picture: dict[str, Any]) -> None:
        self._http = http
        self._picture = picture
        self._alone: dict[str, Chats] = defaultdict(Chats)
        self._beside: dict[str, Chats] = defaultdict(Chats)
        self._seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._steps: dict[str, list[float]] = defaultdict(list)

    def round(self, lanes: str, url: str, count: bool) -> None:
        """Both alone, and together; the first round only warms."""
        alone, beside = Chats(), Chats()
        for _ in range(5):
            self._chat(url, alone)
        seconds, steps = self._paint(url)
        ended = threading.Event()
        together: list[float] = []

        def paint() -> None:
            try:
                together.append(self._paint(url)[0])
            finally:
                ended.set()

        painting = threading.Thread(target=paint)
        painting.start()
        while not ended.is_set():
            self._chat(url, beside)
        painting.join()
        if count:
            for kept, new in ((self._alone[lanes], alone), (self._beside[lanes], beside)):
                kept.first += new.first
                kept.gaps += new.gaps
            self._seconds[lanes, "alone"].append(seconds)
            self._seconds[lanes, "beside"] += together
            self._steps[lanes] += steps

    def show(self) -> None:
        print(f"| | {' | '.join(MODES)} |\n|---|--:|--:|")
        rows: dict[str, Callable[[str], float]] = {
            "chat alone: first token p95, ms": lambda m: at(self._alone[m].first, 0.95),
            "beside a picture: first token p95, ms": lambda m: at(self._beside[m].first, 0.95),
            "chat alone: between tokens p50, ms": lambda m: at(self._alone[m].gaps, 0.5),
            "beside a picture: between tokens p50, ms": lambda m: at(self._beside[m].gaps, 0.5),
            "beside a picture: between tokens p99, ms": lambda m: at(self._beside[m].gaps, 0.99),
            "step of a picture alone p50, ms": lambda m: at(self._steps[m], 0.5),
            "its longest, with all of decoding, ms": lambda m: at(self._steps[m], 1.0),
            "picture alone, ms": lambda m: 1e3 * statistics.median(self._seconds[m, "alone"]),
            "picture beside chats, ms": lambda m: 1e3 * statistics.median(self._seconds[m, "beside"]),
        }
        for name, figure in rows.items():
            print(f"| {name} | " + " | ".join(f"{figure(lanes):,.1f}" for lanes in MODES) + " |")

    def _chat(self, url: str, into: Chats) -> None:
        body = {
            "model": "default",
            "messages": [{"role": "user", "content": f"Hello {time.perf_counter()}"}],
            "max_tokens": 32,
            "stream": True,
            "ignore_eos": True,
        }
        began, last = time.perf_counter(), None
        with self._http.stream("POST", f"{url}/chat/completions", json=body) as answer:
            for line in answer.iter_lines():
                if '"content":"' in line and '"content":""' not in line:
                    now = time.perf_counter()
                    if last is None:
                        into.first.append(now - began)
                    else:
                        into.gaps.append(now - last)
                    last = now

    def _paint(self, url: str) -> tuple[float, list[float]]:
        """One picture: seconds until it is there, and between the ends of its steps."""
        began = time.perf_counter()
        with httpx.Client(timeout=600) as http:
            accepted = http.post(f"{url}/images/generations", json={**self._picture, "background": True})
            job, times = accepted.raise_for_status().json()["id"], []
            with http.stream("GET", f"{url}/jobs/{job}/events") as events:
                for line in events.iter_lines():
                    if line.startswith("event: progress"):
                        times.append(time.perf_counter())
            state = http.get(f"{url}/jobs/{job}").json()["status"]
        if state != "completed":
            raise SystemExit(f"The picture was not painted: its job is {state}.")
        taken = time.perf_counter() - began
        return taken, [later - earlier for earlier, later in itertools.pairwise(times)]


def at(values: list[float], share: float) -> float:
    """The quantile in milliseconds."""
    ordered = sorted(values)
    return 1e3 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]


if __name__ == "__main__":
    main()
