"""GPT-SoVITS of the real size, with random weights: how long each part takes for a second of sound.

    python -m benchmarks.gpt_sovits [--rounds 3] [--codes 100] [--blas] [--quick]

Random weights end no text, so a fixed number of codes is made, 25 of which are a second. `--blas`: with OpenBLAS, as
MLX' own library for CPUs on Linux is slow. `--quick`: a tiny model.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TypeVar

import mlx.core as mx

from benchmarks import preload
from tests.support.gpt_sovits_checkpoint import FULL, TINY, gpt_sovits_checkpoint, sound
from worker.engines.tts.gpt_sovits.loading import load
from worker.engines.tts.gpt_sovits.model import Model, Recording
from worker.engines.tts.gpt_sovits.style import spectrogram
from worker.engines.tts.gpt_sovits.t2s import Sampling
from worker.engines.tts.gpt_sovits.text import Phonemes
from worker.engines.weights import load_weights

#: Seconds of the recording, and codes in a second of sound.
RECORDING, RATE = 5.0, 25

Result = TypeVar("Result")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--codes", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="a tiny model, one round")
    parser.add_argument("--blas", action="store_true", help="preload OpenBLAS, with one thread (Linux)")
    args = parser.parse_args()
    blas = preload.environment(preload.find()) if args.blas and "LD_PRELOAD" not in os.environ else {}
    if blas:
        command = [sys.executable, "-m", "benchmarks.gpt_sovits", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **blas})
    rounds = 1 if args.quick else args.rounds
    with tempfile.TemporaryDirectory(prefix="mlxq-gpt-sovits-") as scratch:
        folder = gpt_sovits_checkpoint(Path(scratch) / "model", 1, TINY if args.quick else FULL)
        clock = _Clock()
        model = clock.take("load", lambda: load(folder, lambda text, language: [_phonemes(text)]))
        networks = (model.t2s, model.sovits, model.hubert.model, model.bert.model)
        size = clock.take("read weights", lambda: load_weights(*networks))
        for _ in range(rounds):
            _speak(model, clock, args.codes)
    seconds = args.codes / RATE
    print(f"{size / 1e9:.2f} GB of weights; {seconds:g} s of sound; median of {rounds}")
    for name, taken in clock.times.items():
        print(f"{name:36}{median(taken):8.2f} s")
    codes, frames, samples = (
        median(clock.times[name]) for name in ("text to codes", "codes to frames", "frames to sound")
    )
    made = codes + frames + samples
    print(f"{made / seconds:.2f} s for a second of sound; {codes / made:.0%} of it text to codes")


class _Clock:
    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    def take(self, name: str, work: Callable[[], Result]) -> Result:
        start = time.perf_counter()
        result = work()
        if isinstance(result, mx.array):
            mx.eval(result)
        self.times.setdefault(name, []).append(time.perf_counter() - start)
        return result


def _speak(model: Model, clock: _Clock, count: int) -> None:
    recording = Recording(
        mx.array(sound(RECORDING, 16_000, 1)), mx.array(sound(RECORDING, 32_000, 1)), "sound"
    )
    prompt = clock.take("HuBERT and codes of the recording", lambda: model.prompt(recording.samples))
    magnitudes = spectrogram(recording.loud_samples)
    voice = clock.take("voice of the recording", lambda: model.sovits.voice(magnitudes))
    said = model.said("你好世界" * 5, None)
    clock.take("BERT's features", lambda: said.features)
    phonemes, features = (mx.concatenate([each] * 2) for each in (said.phonemes, said.features))
    found = model.t2s.codes(phonemes, features, prompt, Sampling())
    codes = clock.take("text to codes", lambda: list(islice(found, count)))
    frames = clock.take("codes to frames", lambda: _frames(model, codes, said.phonemes, voice))
    clock.take("frames to sound", lambda: model.sovits.dec(frames, voice))


def _frames(model: Model, codes: list[int], phonemes: mx.array, voice: mx.array) -> mx.array:
    content = mx.repeat(model.sovits.codebook[mx.array(codes)], 2, axis=0)
    means, _ = model.sovits.enc_p(content, phonemes, voice, 1)
    return model.sovits.flow.back(means, voice)


def _phonemes(text: str) -> Phonemes:
    return Phonemes(list(range(100, 100 + 2 * len(text))), text, [2] * len(text))


if __name__ == "__main__":
    main()
