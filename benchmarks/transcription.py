"""Transcription: how fast mlxq hears against the library by itself, and what a chat beside it feels, in one run.

    python -m benchmarks.transcription [--rounds 5] [--minutes 10] [--families whisper parakeet sensevoice]

Both hear the same FLAC file with the same random model in turns, mlxq through HTTP; both read it by PyAV, the library
as a whole before it begins. The models are tiny: what mlxq adds weighs more here than with real ones.
A chat's inter-token latency is then taken in turns alone, beside a transcription, and beside that and a speech job.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks import model, preload
from benchmarks.server import MLXQ, REPO, running
from benchmarks.speech import LONG, gaps
from tests.support.asr_checkpoints import random_parakeet, random_sensevoice, random_whisper
from tests.support.audio import RATE, speech, write
from tests.support.tts_checkpoints import random_qwen3_tts
from worker.audio import decode

MAKE = {"whisper": random_whisper, "parakeet": random_parakeet, "sensevoice": random_sensevoice}
#: Seconds of a piece that the library is given, where it does not cut long recordings well by itself.
PIECE = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=int, default=10, help="of the recording")
    parser.add_argument("--families", nargs="*", choices=MAKE, default=list(MAKE))
    parser.add_argument("--bare", nargs=3, metavar=("FAMILY", "FOLDER", "FILE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.bare is not None:
        _bare(args.bare[0], *map(Path, args.bare[1:]))
        return
    with tempfile.TemporaryDirectory(prefix="mlxq-transcription-") as scratch:
        root = Path(scratch)
        for name in MAKE:
            MAKE[name](root / name)
        recording = write(root / "recording.flac", np.tile(speech(60, seed=1), args.minutes))
        chat = model.random_qwen3(root / "chat", model.TINY)
        environment = {
            **preload.environment(preload.find()),
            "ASR_MODEL": str(root / "whisper"),
            "TTS_MODEL": str(random_qwen3_tts(root / "speaker", tokens=100, seed=1)),
            "TRANSCRIPTION_TIMEOUT": "3600",
        }
        with running(MLXQ, chat, environment) as server, httpx.Client(timeout=1200) as http:
            for name in args.families:
                library = _Library(name, root / name, recording, environment)
                try:
                    _speed(http, server.base_url, library, recording, args)
                finally:
                    library.close()
            _beside(http, server.base_url, recording, args.rounds)


class _Library:
    """The library by itself, in a process with the same libraries below it as the server's worker."""

    def __init__(self, family: str, folder: Path, recording: Path, environment: dict[str, str]) -> None:
        self.family = family
        command = [sys.executable, "-m", "benchmarks.transcription"]
        self._process = subprocess.Popen(
            [*command, "--bare", family, str(folder), str(recording)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPO,
            env={**os.environ, **environment},
        )

    def hear(self) -> tuple[float, int]:
        """Seconds that it took, and how many characters came out."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        seconds, characters = self._process.stdout.readline().split()
        return float(seconds), int(characters)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


def _bare(family: str, folder: Path, recording: Path) -> None:
    """What `_Library` runs: for each line of stdin, one of stdout."""
    import mlx.core as mx
    import mlx_whisper
    from mlx_audio.stt.utils import load_model

    theirs: Any = load_model(folder, model_type=family) if family != "whisper" else None

    def hear() -> str:
        samples = np.concatenate(list(decode(recording, RATE)))
        if family == "whisper":
            return str(mlx_whisper.transcribe(samples, path_or_hf_repo=str(folder), fp16=False)["text"])
        pieces = (samples[start : start + PIECE * RATE] for start in range(0, len(samples), PIECE * RATE))
        options = {"use_itn": True} if family == "sensevoice" else {}
        return "".join(theirs.generate(mx.array(piece), **options).text for piece in pieces)

    for _ in sys.stdin:
        began = time.perf_counter()
        text = hear()
        print(time.perf_counter() - began, len(text), flush=True)


def _hear(http: httpx.Client, base_url: str, family: str, recording: Path, **fields: str) -> dict[str, Any]:
    with recording.open("rb") as file:
        answer = http.post(
            f"{base_url}/audio/transcriptions", files={"file": file}, data={"model": family, **fields}
        )
    told: dict[str, Any] = answer.raise_for_status().json()
    return told


def _speed(
    http: httpx.Client, base_url: str, library: _Library, recording: Path, args: argparse.Namespace
) -> None:
    ratios: list[float] = []
    for number in range(args.rounds + 1):
        theirs, their_text = library.hear()
        began = time.perf_counter()
        text = _hear(http, base_url, library.family, recording)["text"]
        ours = time.perf_counter() - began
        if number > 0:
            ratios.append(theirs / ours)
            faster = args.minutes * 60 / ours
            print(
                f"{library.family}: {ours:.2f} s, {faster:.0f} times real time, {len(text)} characters; "
                f"the library {theirs:.2f} s, {their_text} characters",
                flush=True,
            )
    spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
    print(f"{library.family}: {statistics.median(ratios):.2f} of the library's speed ({spread})", flush=True)


def _beside(http: httpx.Client, base_url: str, recording: Path, rounds: int) -> None:
    """The time between two tokens of a chat: alone, beside a transcription, and beside that and speech.

    Of a chat the mean counts, for tokens that were held up come together; and the longest time without any.
    """
    found: dict[str, list[tuple[float, float]]] = {}

    def chat(place: str) -> None:
        between = list(gaps(http, base_url))
        found.setdefault(place, []).append((statistics.fmean(between), max(between)))

    for _ in range(rounds):
        chat("alone")
        heard = _hear(http, base_url, "whisper", recording, background="true")["id"]
        _wait(http, base_url, heard)
        chat("beside a transcription")
        body = {"input": LONG, "background": True}
        spoken = http.post(f"{base_url}/audio/speech", json=body).raise_for_status().json()["id"]
        _wait(http, base_url, spoken)
        chat("beside both")
        for job in (heard, spoken):
            state = http.get(f"{base_url}/jobs/{job}").json()["status"]
            http.delete(f"{base_url}/jobs/{job}")
            if state != "in_progress":
                raise SystemExit(f"It did not run all the while: job {job} is {state}. Use more --minutes.")
    alone = statistics.median(mean for mean, _ in found["alone"])
    for place, told in found.items():
        mean, longest = (statistics.median(each) for each in zip(*told, strict=True))
        ratio = f"{mean / alone:.2f} of idle; at most {longest * 1e3:.0f} ms"
        print(f"between tokens, {place}: {mean * 1e3:.2f} ms, {ratio}")


def _wait(http: httpx.Client, base_url: str, job: str) -> None:
    while http.get(f"{base_url}/jobs/{job}").json()["status"] == "queued":
        time.sleep(0.01)


if __name__ == "__main__":
    main()
