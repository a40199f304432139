"""models/tiny-whisper writes what is said in the clips of tests/data/speech, through mlx-whisper itself."""

import json
import math
from pathlib import Path
from typing import Any

import mlx_whisper
import numpy as np
import numpy.typing as npt
import pytest
from mlx_whisper import timing

from worker.audio import decode

ROOT = Path(__file__).resolve().parents[2]
MODEL, CLIPS = ROOT / "models" / "tiny-whisper", ROOT / "tests" / "data" / "speech"
RATE = 16_000
TEXTS: dict[str, dict[str, str]] = json.loads((CLIPS / "texts.json").read_text())

Samples = npt.NDArray[np.float32]


def samples(clip: str) -> Samples:
    return np.concatenate(list(decode(CLIPS / clip, RATE)))


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), np.float32)


def transcribe(sound: Samples, **options: Any) -> dict[str, Any]:
    # On a CPU float32 takes half as long as mlx-whisper's default.
    said: dict[str, Any] = mlx_whisper.transcribe(
        sound, path_or_hf_repo=str(MODEL), **{"fp16": False, **options}
    )
    return said


def text(answer: dict[str, Any]) -> str:
    return str(answer["text"]).strip()


@pytest.mark.parametrize("clip", TEXTS)
def test_each_clip_is_written_down_between_its_ends(clip: str) -> None:
    sound = samples(clip)

    answer = transcribe(sound)

    assert (text(answer), answer["language"]) == (TEXTS[clip]["text"], TEXTS[clip]["language"])
    times = [time for segment in answer["segments"] for time in (segment["start"], segment["end"])]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= len(sound) / RATE + 0.1


@pytest.mark.slow
def test_half_precision_writes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    # mlx-whisper keeps a model as it was first asked for.
    monkeypatch.setattr(mlx_whisper.transcribe.__globals__["ModelHolder"], "model", None)
    assert text(transcribe(samples("digits.flac"), language="en", fp16=True)) == TEXTS["digits.flac"]["text"]


def test_spanish_is_translated() -> None:
    answer = transcribe(samples("spanish.ogg"), language="es", task="translate")

    assert text(answer) == TEXTS["spanish.ogg"]["english"]


def test_words_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    # Compiling them takes longer than three words do.
    for name in ("dtw_cpu", "backtrace"):
        monkeypatch.setattr(timing, name, getattr(timing, name).py_func)
    sound = samples("digits.flac")

    answer = transcribe(sound, language="en", word_timestamps=True)

    words = [word for segment in answer["segments"] for word in segment["words"]]
    assert [word["word"].strip() for word in words] == ["three", "one", "two"]
    times = [time for word in words for time in (word["start"], word["end"])]
    assert times == sorted(times)
    assert times[-1] <= len(sound) / RATE + 0.1


def test_a_recording_of_two_windows_is_written_whole_and_in_order() -> None:
    parts = [silence(0.3), samples("countdown.ogg"), silence(2), samples("digits.flac"), silence(24.6)]
    parts += [samples("directions.ogg"), silence(2), samples("hello.ogg")]
    sound = np.concatenate(parts)
    assert len(sound) > 30 * RATE

    answer = transcribe(sound, language="en")

    clips = ("countdown.ogg", "digits.flac", "directions.ogg", "hello.ogg")
    assert text(answer) == " ".join(TEXTS[clip]["text"] for clip in clips)
    starts = [segment["start"] for segment in answer["segments"]]
    assert starts == sorted(starts)


@pytest.mark.parametrize("level", [0.0, 0.01])
def test_where_nobody_speaks_nothing_is_written(level: float) -> None:
    noise = np.random.default_rng(0).standard_normal(4 * RATE).astype(np.float32)

    answer = transcribe(level * noise, language="en")

    assert text(answer) == ""
    assert math.isclose(sum(segment["end"] - segment["start"] for segment in answer["segments"]), 0)
