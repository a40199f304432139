"""How well the time until a job's end is foreseen.

    python -m benchmarks.eta [--jobs 200] [--quick] [--show] [--mix burst|apps ...]

In the mix `burst`, chats, long prompts, pictures, recordings and texts to be spoken are sent at once, by five apps
and in all classes, as work is that somebody leaves to a machine. A smaller burst of the same kind comes before, from
which the server learns.

In the mix `apps`, seven apps send a few jobs at a time, and pause; there are also answers with a schema, and texts to
be embedded. What comes after an estimate decides how much of the device a job gets, and nothing tells when it comes.
So this mix shows how much of an error is left that no estimate can avoid.

Each job is asked for its `eta` once it is accepted, in a burst once all are, and again when half of that time has
passed; both are compared with when it really ended. The models are random and small; how long a job takes depends on
its size, and on what runs beside it.

The column `within 25 %` is strict. The one beside it has the estimates that are right as people see them, in whole
seconds: half a second is no error then.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import mlx.core as mx
import numpy as np

from benchmarks import model, preload
from benchmarks.prompts import prompt
from benchmarks.server import MLXQ, running
from tests.support.asr_checkpoints import random_whisper
from tests.support.audio import speech, write
from tests.support.image_checkpoints import random_z_image
from tests.support.tts_checkpoints import random_qwen3_tts

#: How far an estimate may be from the truth, as a share of that.
CLOSE = 0.25
#: Seconds that make no difference where whole seconds are shown.
SHOWN = 0.5
#: Jobs of each kind that come before, from which the server learns: of an app, and in a burst as a share.
WARM, WARM_SHARE = 5, 0.2

#: Seconds between the two bursts: the machine has been idle.
PAUSE = 60.0

#: Path and body, or form and file.
Request = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Told:
    """An estimate, and the seconds that were really left."""

    kind: str
    when: str
    eta: float | None
    left: float

    @property
    def error(self) -> float:
        return self.wrong / max(self.left, 1e-3)

    @property
    def wrong(self) -> float:
        """Seconds."""
        return float("inf") if self.eta is None else abs(self.eta - self.left)


@dataclass(frozen=True)
class App:
    """Up to `together` jobs at the same time, then a pause of about `pause` times as long as they took.

    `share` of the jobs that are measured are its own; in a burst, of `classes`.
    """

    kind: str
    share: float
    together: int
    pause: float
    make: Callable[[random.Random], Request]
    burst_share: float = 0.0
    classes: tuple[str, ...] = ("normal",)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="40 jobs")
    parser.add_argument("--mix", nargs="+", choices=("burst", "apps"), default=["burst", "apps"])
    parser.add_argument("--show", action="store_true", help="every estimate, too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlxq-eta-") as scratch:
        root = Path(scratch)
        chat = model.random_qwen3(root / "chat", model.BIG)
        environment = {
            **preload.environment(preload.find()),
            "IMAGE_MODEL": str(random_z_image(root / "painter", dtype=mx.float32, width=128, layers=6)),
            "ASR_MODEL": str(random_whisper(root / "whisper")),
            "TTS_MODEL": str(random_qwen3_tts(root / "speaker", tokens=30, seed=1)),
        }
        files = {
            seconds: write(root / f"{seconds}.flac", np.tile(speech(30, seed=1), seconds // 30))
            for seconds in (30, 60, 120)
        }
        with running(MLXQ, chat, environment) as server:
            for mix in args.mix:
                jobs = 40 if args.quick else args.jobs
                told = asyncio.run(_run(server.base_url, apps(files), jobs, mix))
                if args.show:
                    for each in told:
                        print(
                            f"{each.kind:12} {each.when:10} eta {each.eta}  left {each.left:.2f}  {each.error:.2f}"
                        )
                print(f"\n{jobs} jobs, mix: {mix}\n\n{table(told)}", flush=True)


def apps(files: dict[int, Path]) -> list[App]:
    def chats(rng: random.Random) -> Request:
        return _chat(rng, rng.randint(8, 60), max_tokens=rng.choice((40, 80, 120, 200)), ignore_eos=True)

    def schemas(rng: random.Random) -> Request:
        """It ends long before the most that it may write."""
        length = rng.randint(55, 65)
        schema = {"type": "string", "pattern": f"^[a-z]{{{length}}}$"}
        form = {"type": "json_schema", "json_schema": {"name": "word", "schema": schema, "strict": True}}
        return _chat(rng, 20, max_tokens=1000, response_format=form)

    def long_prompts(rng: random.Random) -> Request:
        return _chat(rng, rng.randint(500, 2000), max_tokens=rng.choice((8, 32)), ignore_eos=True)

    def pictures(rng: random.Random) -> Request:
        side = rng.choice((64, 96, 128))
        return "/images/generations", {
            "prompt": f"a sea {rng.random()}",
            "size": f"{side}x{side}",
            "steps": rng.randint(3, 9),
            "background": True,
        }

    def recordings(rng: random.Random) -> Request:
        return "/audio/transcriptions", {"file": files[rng.choice(sorted(files))], "temperature": "0"}

    def spoken(rng: random.Random) -> Request:
        text = ". ".join(prompt(8, str(rng.random())) for _ in range(rng.randint(1, 4))) + "."
        return "/audio/speech", {"input": text, "voice": "alloy", "response_format": "wav"}

    def embedded(rng: random.Random) -> Request:
        texts = [prompt(40, str(rng.random())) for _ in range(rng.choice((10, 40, 80)))]
        return "/embeddings", {"input": texts}

    return [
        App("chat", 0.3, 4, 1.0, chats, 0.4, ("interactive", "normal")),
        App("schema", 0.1, 2, 2.0, schemas),
        App("long prompt", 0.15, 2, 2.0, long_prompts, 0.2, ("normal", "background")),
        App("picture", 0.15, 3, 1.0, pictures, 0.2, ("normal", "background")),
        App("transcript", 0.15, 3, 1.0, recordings, 0.1, ("normal", "background")),
        App("speech", 0.1, 3, 1.0, spoken, 0.1, ("interactive", "normal")),
        App("embedding", 0.05, 1, 2.0, embedded),
    ]


def _chat(rng: random.Random, words: int, **more: object) -> Request:
    content = prompt(words, str(rng.random()))
    return "/chat/completions", {"messages": [{"role": "user", "content": content}], "temperature": 0, **more}


async def _run(base_url: str, every: list[App], jobs: int, mix: str) -> list[Told]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=base_url, timeout=600, limits=limits) as http:
        if mix == "burst":
            rng = random.Random("burst")
            await _burst(http, every, round(WARM_SHARE * jobs), rng)
            await asyncio.sleep(PAUSE)
            return await _burst(http, every, jobs, rng)
        # All apps go on until enough of each is measured: the last ones have as much beside them as the first.
        told: list[Told] = []
        wanted = {app.kind: max(1, round(app.share * jobs)) for app in every}
        await asyncio.gather(*(_use(http, app, wanted, told) for app in every))
        return told


async def _burst(http: httpx.AsyncClient, every: list[App], count: int, rng: random.Random) -> list[Told]:
    """Send jobs in a random order, and ask them once all are sent."""
    jobs = [
        (app, app.make(rng), rng.choice(app.classes))
        for app in every
        for _ in range(round(app.burst_share * count))
    ]
    rng.shuffle(jobs)
    sent = [(app, await _send(http, app, request, service_class)) for app, request, service_class in jobs]
    return [
        told for found in await asyncio.gather(*(_follow(http, *each) for each in sent)) for told in found
    ]


async def _use(http: httpx.AsyncClient, app: App, wanted: dict[str, int], told: list[Told]) -> None:
    """What an app does: jobs in groups, and pauses.

    `wanted`: jobs of each kind that are left to be measured.
    """
    rng, warm = random.Random(app.kind), WARM
    while any(wanted.values()):
        began = time.monotonic()
        group = range(rng.randint(1, app.together))
        for found in await asyncio.gather(*(_job(http, app, app.make(rng)) for _ in group)):
            if warm:
                warm -= 1
            elif wanted[app.kind]:
                wanted[app.kind] -= 1
                told += found
        if any(wanted.values()):
            await asyncio.sleep(rng.uniform(0.5, 1.5) * app.pause * (time.monotonic() - began))


async def _job(http: httpx.AsyncClient, app: App, request: Request) -> list[Told]:
    return await _follow(http, app, await _send(http, app, request))


async def _send(http: httpx.AsyncClient, app: App, request: Request, service_class: str = "normal") -> str:
    """Returns where the job is."""
    path, body = request
    headers = {"prefer": "respond-async", "x-app": app.kind, "x-priority": service_class}
    if "file" in body:
        fields = {**body}
        with fields.pop("file").open("rb") as file:
            accepted = await http.post(
                path, data={"model": "default", **fields}, files={"file": file}, headers=headers
            )
    else:
        accepted = await http.post(path, json={"model": "default", **body}, headers=headers)
    if accepted.status_code != 202:
        raise SystemExit(f"{path}: {accepted.status_code} {accepted.text[:300]}")
    return f"/jobs/{accepted.json()['id']}"


async def _follow(http: httpx.AsyncClient, app: App, url: str) -> list[Told]:
    asked = [await _ask(http, url, "accepted")]
    if (eta := asked[0][2]) is not None:
        await asyncio.sleep(eta / 2)
        asked.append(await _ask(http, url, "half-way"))
    job: dict[str, Any] = {"status": "queued"}
    while job["status"] in ("queued", "in_progress"):
        job = (await http.get(url, params={"wait": 60})).json()
    if job["status"] != "completed":
        raise SystemExit(f"{app.kind}: {job['status']} {job['error']}")
    ended = job["timings"]["ended_at"]
    return [Told(app.kind, when, eta, ended - at) for when, at, eta in asked if ended > at]


async def _ask(http: httpx.AsyncClient, url: str, when: str) -> tuple[str, float, float | None]:
    job = (await http.get(url)).json()
    return when, time.time(), job["eta"]


def table(told: list[Told]) -> str:
    """Markdown: by kind and by when it was asked."""
    lines = [
        "| kind | asked | estimates | unknown | seconds left | median error | within 25 % | or 0.5 s |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    groups: dict[tuple[str, str], list[Told]] = defaultdict(list)
    for each in told:
        for kind in (each.kind, "all"):
            groups[kind, each.when].append(each)
    for (kind, when), found in sorted(groups.items(), key=lambda group: (group[0][0] == "all", group[0])):
        close = sum(each.error <= CLOSE for each in found) / len(found)
        shown = sum(each.error <= CLOSE or each.wrong <= SHOWN for each in found) / len(found)
        unknown = sum(each.eta is None for each in found)
        left = statistics.median(each.left for each in found)
        error = statistics.median(each.error for each in found)
        lines.append(
            f"| {kind} | {when} | {len(found)} | {unknown} | {left:.1f} | {100 * error:.0f} % "
            f"| {100 * close:.0f} % | {100 * shown:.0f} % |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
