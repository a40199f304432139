"""Two programs with two models, each of which waits for its answer before it asks again.

    python -m benchmarks.two_models [--requests 40] [--tokens 32] [--pause 0.02] [--quick]

One server has memory for both models, the other for one. The table shows how often a model was loaded after the first
load of each, how long a request waited at most, and the time of all.
"""

import argparse
import asyncio
import contextlib
import json
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from benchmarks import model
from benchmarks.client import Client, read
from benchmarks.prompts import prompt
from benchmarks.server import MLXQ, running

MODELS = ("first", "second")
#: Seconds of SWITCH_PATIENCE.
PATIENCE = 15


@dataclass(frozen=True)
class Request:
    """A request as its job tells it afterwards, in seconds."""

    model: str
    waited: float
    loaded: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=40, help="of both programs together")
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument(
        "--pause", type=float, default=0.0, help="seconds between an answer and the next request"
    )
    parser.add_argument("--quick", action="store_true", help="answers of 8 tokens")
    args = parser.parse_args()
    print("| memory for | loads after the first two | longest wait | all requests |\n|---|--:|--:|--:|")
    with tempfile.TemporaryDirectory(prefix="mlxq-two-models-") as scratch:
        folders = [model.random_qwen3(Path(scratch) / name, seed=seed) for seed, name in enumerate(MODELS)]
        one = 1.6 * model.weight_bytes(folders[0]) / 1024**3
        for name, budget in (("both", 0.0), ("one", one)):
            environment = {"MEMORY_BUDGET_GB": f"{budget:.4f}", "SWITCH_PATIENCE": str(PATIENCE)}
            with running(MLXQ, folders[0], environment) as server:
                began = time.perf_counter()
                tokens = 8 if args.quick else args.tokens
                ids = uvloop.run(_both(server.base_url, args.requests // 2, tokens, args.pause))
                seconds = time.perf_counter() - began
                requests = [_request(server.base_url, job_id) for job_id in ids]
            print(
                f"| {name} | {_reloads(requests)} | {max(r.waited for r in requests):.2f} s | {seconds:.1f} s |"
            )


def _reloads(requests: Sequence[Request]) -> int:
    """Loads, without the first of each model; the server's own is loaded before the first request."""
    loads = Counter(request.model for request in requests if request.loaded)
    return loads[MODELS[0]] + max(0, loads[MODELS[1]] - 1)


async def _both(base_url: str, requests: int, tokens: int, pause: float) -> list[str]:
    """The ids of all jobs."""
    done = await asyncio.gather(*(_program(base_url, name, requests, tokens, pause) for name in MODELS))
    return [job_id for ids in done for job_id in ids]


async def _program(base_url: str, name: str, requests: int, tokens: int, pause: float) -> list[str]:
    ids = []
    with contextlib.closing(Client(base_url)) as client:
        for number in range(requests):
            content = prompt(16, f"{name} {number}")
            body = {
                "model": name,
                "messages": [{"role": "user", "content": content}],
                "max_tokens": tokens,
                "ignore_eos": True,
            }
            answer = read(await client.post("/chat/completions", body))
            if answer.status != 200:
                raise SystemExit(f"{answer.status}: {answer.body[:300]!r}")
            ids.append(str(json.loads(answer.body)["id"]))
            await asyncio.sleep(pause)
    return ids


def _request(base_url: str, job_id: str) -> Request:
    job = json.loads(_get(f"{base_url}/jobs/{job_id}"))
    loaded = b'"loading"' in _get(f"{base_url}/jobs/{job_id}/events")
    return Request(job["model"], job["timings"]["queued_seconds"], loaded)


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as response:
        return bytes(response.read())


if __name__ == "__main__":
    main()
