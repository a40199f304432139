"""Subtitles of films: cues stand where words are said, however late the sound begins and whatever gaps it has."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.settings import Settings
from jobs.blobs import LocalBlobs
from jobs.kinds import Category
from mlxq.catalog import Catalog
from tests.support.events import plain
from tests.support.films import recording
from tests.support.payloads import typed
from worker.audio import decode
from worker.engines.asr import engine, family
from worker.engines.asr.transcription import TranscriptionEngine
from worker.engines.base import Done, Output, Progress

ROOT = Path(__file__).resolve().parents[2]
RATE = 48_000
DIGITS = np.concatenate(list(decode(ROOT / "tests/data/speech/digits.flac", RATE)))
HOUR = 3600


@pytest.fixture
def hearer(tmp_path: Path) -> TranscriptionEngine:
    settings = Settings.model_validate({"model_roots": (ROOT / "models",), "data_dir": tmp_path})
    ref = Catalog(settings).resolve("tiny-whisper", Category.ASR)
    assert ref.path is not None
    return engine(family(ref, ref.path).load(ref.path), settings)


def transcribed(hearer: TranscriptionEngine, file: bytes, folder: Path, **said: Any) -> list[Output]:
    blob = LocalBlobs(Settings.model_validate({"data_dir": folder}).blob_folder).put(file)
    hearer.add("task", typed({"audio": blob, "language": "en", **said}), 0)
    outputs: list[Output] = []
    while not outputs or not isinstance(outputs[-1], Done):
        outputs += hearer.step()
    return outputs


@pytest.mark.parametrize(("container", "codec"), [("matroska", "flac"), ("mp4", "aac")])
@pytest.mark.parametrize("starts", [[8.0], [0.0, 8.0], [0.0, 10.0 * HOUR]], ids=["late", "a gap", "hours"])
def test_cues_stand_where_the_words_are_said(
    container: str, codec: str, starts: list[float], hearer: TranscriptionEngine, tmp_path: Path
) -> None:
    film = recording(container, codec, [(start, DIGITS) for start in starts], pictures=12)
    done = transcribed(hearer, film, tmp_path)[-1]
    assert isinstance(done, Done)
    cues = plain(done.result)["segments"]
    assert [cue["text"].strip() for cue in cues] == ["three one two"] * len(starts)
    for cue, start in zip(cues, starts, strict=True):
        assert start - 0.1 < cue["start"] < start + 0.5 < cue["end"] < start + len(DIGITS) / RATE + 0.1
    assert plain(done.result)["duration"] == pytest.approx(starts[-1] + len(DIGITS) / RATE, abs=0.1)


def test_a_length_that_was_a_mistake_is_corrected(hearer: TranscriptionEngine, tmp_path: Path) -> None:
    """All of it is decoded before the first words are found."""
    file = recording("flac", "flac", [(0.0, DIGITS)])
    for believed in (4793.0, 0.1):
        outputs = transcribed(hearer, file, tmp_path, seconds=believed)
        told = [(each.done, each.total) for each in outputs if isinstance(each, Progress)]
        assert told
        assert {total for _, total in told} == {round(len(DIGITS) / RATE * 1000)}
