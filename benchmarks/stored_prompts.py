"""A long prompt after a restart of everything, and after the worker was killed in mid-prefill.

    python -m benchmarks.stored_prompts --tokens 20000

Times are seconds to the first token of a stream. Each start answers a short chat first, so that libraries are loaded.
`read` is what was read of the prompt in all, over its length: the prompt is counted as read up to where the last
progress event before the kill has it.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from benchmarks import preload
from benchmarks.model import SMALL, random_qwen3
from benchmarks.prompts import prompt
from benchmarks.server import REPO, free_port


def text(tokens: int, ending: str) -> str:
    """A prompt of about so many tokens, the same for every ending but at its end."""
    return f"{prompt(tokens, 'stored')} {ending}"


@contextmanager
def server(model: Path, data: Path, disk_gb: float) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """All processes on this data folder; ended by SIGINT."""
    port = free_port()
    environment = {
        **os.environ,
        **preload.environment(preload.find()),
        "PORT": str(port),
        "MLXQ_DATA_DIR": str(data),
        "LLM_MODEL": str(model),
        "MODEL_ROOTS": str(model.parent),
        "PROMPT_CACHE_DISK_GB": str(disk_gb),
        "HF_HUB_OFFLINE": "1",
        "LOG_LEVEL": "warning",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    with (data.parent / "log").open("ab") as log:
        popen = subprocess.Popen(
            [sys.executable, "-m", "mlxq", "serve"], cwd=REPO, env=environment, stdout=log, stderr=log
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=3600) as client:
            deadline = time.monotonic() + 120
            while True:
                try:
                    if chat(client, "Hello").tokens:
                        break
                except (httpx.HTTPError, KeyError):
                    if time.monotonic() > deadline:
                        raise
                time.sleep(0.05)
            yield client, psutil.Process(popen.pid)
    finally:
        popen.send_signal(signal.SIGINT)
        popen.wait(60)


class Answer:
    """`first`: seconds to the first token. `tokens`, `cached`: of the prompt."""

    def __init__(self) -> None:
        self.first, self.tokens, self.cached, self.text = 0.0, 0, 0, ""


def chat(client: httpx.Client, content: str) -> Answer:
    body = {
        "model": "default",
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 16,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    answer, began = Answer(), time.perf_counter()
    with client.stream("POST", "/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line[6:])
            for choice in chunk["choices"]:
                piece = choice["delta"].get("content") or choice["delta"].get("reasoning_content") or ""
                if piece and not answer.text:
                    answer.first = time.perf_counter() - began
                answer.text += piece
            if usage := chunk.get("usage"):
                answer.tokens = usage["prompt_tokens"]
                answer.cached = usage["prompt_tokens_details"]["cached_tokens"]
    return answer


def killed(client: httpx.Client, process: psutil.Process, content: str, share: float) -> tuple[float, str]:
    """Kill the worker when this share of the prompt is read. What was read in all, and the answer."""
    body = {
        "model": "default",
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 16,
        "temperature": 0,
    }
    headers = {"prefer": "respond-async"}
    job = client.post("/v1/chat/completions", json=body, headers=headers).raise_for_status().json()["id"]
    done = 0
    while True:
        progress = client.get(f"/v1/jobs/{job}").json().get("progress") or {}
        done = progress.get("done", 0)
        if progress and done >= share * progress["total"]:
            break
        time.sleep(0.01)
    worker = next(each for each in process.children(recursive=True) if "worker" in each.cmdline()[-1])
    worker.kill()
    ended = client.get(f"/v1/jobs/{job}?wait=60").json()
    while ended["status"] not in ("completed", "failed"):
        ended = client.get(f"/v1/jobs/{job}?wait=60").json()
    result = ended["result"]
    usage = result["usage"]
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    read = done + usage["prompt_tokens"] - cached
    return read / usage["prompt_tokens"], result["choices"][0]["message"]["content"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tokens", type=int, default=20_000)
    parser.add_argument("--quick", action="store_true", help="4,000 tokens")
    options = parser.parse_args()
    tokens = 4000 if options.quick else options.tokens
    folder = Path(tempfile.mkdtemp(prefix="mlxq-stored-"))
    try:
        model = random_qwen3(folder / "models" / "random", SMALL)
        config = json.loads((model / "config.json").read_text())
        (model / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 4 * tokens}))
        with server(model, folder / "data", 10) as (client, _):
            cold = chat(client, text(tokens, "one"))
        with server(model, folder / "data", 10) as (client, _):
            warm = chat(client, text(tokens, "two"))
        size = sum(file.stat().st_size for file in (folder / "data" / "prompt_cache").rglob("*.safetensors"))
        print(f"{cold.tokens} tokens, {size / cold.tokens:.0f} bytes on the disk for each")
        print(f"cold: {cold.first:.2f} s to the first token")
        print(
            f"after a restart: {warm.first:.2f} s, {warm.first / cold.first:.1%} of cold; "
            f"{warm.cached / warm.tokens:.1%} cached"
        )
        with server(model, folder / "other", 0) as (client, _):
            expected = chat(client, text(tokens, "two")).text
        print(f"the same answer without the cache: {expected == warm.text}")
        for share in (0.25, 0.5, 0.9):
            shutil.rmtree(folder / "data")
            with server(model, folder / "data", 10) as (client, process):
                read, _ = killed(client, process, text(tokens, "two"), share)
            print(f"kill -9 at {share:.0%}: {read:.2f} of the prompt was read in all")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
