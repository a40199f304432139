"""Recordings to text through HTTP: the libraries' own words, in every form, whatever is sent and whoever dies."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import mlx.core as mx
import mlx_whisper
import numpy as np
import psutil
import pytest
import webvtt
from mlx_audio.stt.utils import load_model
from openai.types.audio import TranscriptionVerbose

from tests.support.asr_checkpoints import (
    random_parakeet,
    random_qwen3_asr,
    random_sensevoice,
    random_whisper,
)
from tests.support.audio import ENCODINGS, Samples, as_played, speech, write
from tests.support.bad_audio import BROKEN, COMPLAINTS, bad_files
from tests.support.checkpoints import random_qwen3
from tests.support.impatient import jobs_of
from tests.support.paraformer_checkpoint import Sizes, paraformer_checkpoint
from tests.support.raw_http import connect, request
from tests.support.stories import outcome, story
from tests.support.system import System
from worker.engines.asr.paraformer import load as load_paraformer
from worker.engines.asr.transcription import Options

OTHERS = {"parakeet": random_parakeet, "qwen3_asr": random_qwen3_asr, "sensevoice": random_sensevoice}
LOSSLESS = ("wav", "flac", "aiff")
SECONDS = 12
#: Large enough to say something, and quick.
PARAFORMER = Sizes(560, 32, 48, 2, 1, 5, 60)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "first", seed=1)
    random_whisper(root / "whisper")
    for name, make in OTHERS.items():
        make(root / name)
    paraformer_checkpoint(root / "paraformer", 5, PARAFORMER)
    return root


@pytest.fixture(scope="module")
def system(root: Path) -> Iterator[System]:
    running = System(root, "first", ASR_MODEL=root / "whisper", MAX_AUDIO_SECONDS=2000, LINGER_TIME=0).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def samples() -> Samples:
    return as_played(speech(SECONDS, seed=3))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory, samples: Samples) -> dict[str, Path]:
    """The same recording in every encoding."""
    folder = tmp_path_factory.mktemp("clips")
    return {kind: write(folder / f"clip.{kind}", samples) for kind in ENCODINGS}


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than one of Whisper's windows."""
    return write(tmp_path_factory.mktemp("clips") / "long.flac", speech(40, seed=3))


def by_the_library(root: Path, samples: Samples) -> dict[str, Any]:
    """What mlx_whisper itself says."""
    told: dict[str, Any] = mlx_whisper.transcribe(samples, path_or_hf_repo=str(root / "whisper"), fp16=False)
    return told


@pytest.fixture(scope="module")
def said(root: Path, samples: Samples) -> dict[str, Any]:
    return by_the_library(root, samples)


@pytest.fixture(scope="module")
def long_said(root: Path) -> dict[str, Any]:
    return by_the_library(root, as_played(speech(40, seed=3)))


def test_whisper_through_the_sdk(
    system: System, clips: dict[str, Path], said: dict[str, Any], long: Path, long_said: dict[str, Any]
) -> None:
    client = system.openai()
    for model in ("whisper-1", "default"):
        answer: Any = client.audio.transcriptions.create(model=model, file=clips["wav"])
        assert (answer.text, answer.language, answer.duration) == (
            said["text"].strip(),
            said["language"],
            SECONDS,
        )
    text = long_said["text"].strip()
    verbose = client.audio.transcriptions.with_raw_response.create(
        model="whisper", file=long, response_format="verbose_json"
    )
    told = TranscriptionVerbose.model_validate_json(verbose.content, strict=True)
    assert (told.text, told.duration) == (text, 40.0)
    assert [(each.text, each.tokens) for each in told.segments or ()] == [
        (each["text"], each["tokens"]) for each in long_said["segments"]
    ]
    events = list(client.audio.transcriptions.create(model="whisper", file=long, stream=True))
    assert [event.type for event in events] == ["transcript.text.delta"] * (len(events) - 1) + [
        "transcript.text.done"
    ]
    assert len(events) > 2
    assert "".join(event.delta for event in events if event.type == "transcript.text.delta") == text
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == text


def test_one_recording_in_eight_encodings(
    system: System, clips: dict[str, Path], said: dict[str, Any]
) -> None:
    """Their names lie and their types are missing; a lossy one may cost a word of a random model."""
    words = said["text"].split()
    for kind, clip in clips.items():
        file = {"file": ("clip.txt", clip.read_bytes(), "text/plain")}
        answer = system.http.post("/v1/audio/transcriptions", files=file).raise_for_status().json()
        assert answer["duration"] == pytest.approx(SECONDS, abs=0.1)
        if kind in LOSSLESS:
            assert answer["text"].split() == words, kind
        assert answer["language"] == said["language"], kind
        assert len(set(answer["text"].split()) & set(words)) >= len(set(words)) - 1, kind


def test_times_of_words_and_segments_are_in_order_and_inside(system: System, clips: dict[str, Path]) -> None:
    for model in ("whisper", "parakeet", "paraformer"):
        answer = system.openai().audio.transcriptions.create(
            model=model,
            file=clips["flac"],
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
        assert answer.duration == SECONDS
        for spans in (answer.words or [], answer.segments or []):
            assert spans
            starts = [span.start for span in spans]
            assert starts == sorted(starts)
            assert all(0 <= span.start <= span.end <= answer.duration for span in spans)


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_subtitles_are_read_by_a_player(
    system: System, long: Path, long_said: dict[str, Any], form: Any
) -> None:
    text = system.openai().audio.transcriptions.create(model="whisper", file=long, response_format=form)
    cues = webvtt.from_buffer(text.splitlines(), format=form, strict=True).captions
    assert [" ".join(cue.lines) for cue in cues] == [each["text"].strip() for each in long_said["segments"]]
    times = [(cue.start_in_seconds, cue.end_in_seconds) for cue in cues]
    assert len(times) > 1
    assert times == sorted(times)
    assert all(0 <= start <= end <= 40 for start, end in times)
    assert text.splitlines()[0] == {"srt": "1", "vtt": "WEBVTT"}[form]


def test_ominix_body_and_a_translation(system: System, clips: dict[str, Path], said: dict[str, Any]) -> None:
    coded = base64.b64encode(clips["wav"].read_bytes()).decode()
    for file in (coded, f"data:audio/mpeg;base64,{coded}"):
        body = {"file": file, "model": "whisper"}
        answer = system.http.post("/v1/audio/transcriptions", json=body).raise_for_status().json()
        assert answer == {
            "text": said["text"].strip(),
            "language": said["language"],
            "duration": SECONDS,
            "usage": {"type": "duration", "seconds": SECONDS},
        }
    with clips["wav"].open("rb") as recording:
        plain = system.http.post(
            "/v1/audio/translations", files={"file": recording}, data={"response_format": "text"}
        ).raise_for_status()
    assert plain.headers["content-type"].startswith("text/plain")
    assert plain.text.strip()


@pytest.mark.parametrize("name", OTHERS)
def test_other_families_through_the_sdk(
    system: System, root: Path, tmp_path: Path, name: str, clips: dict[str, Path]
) -> None:
    short = as_played(speech(6, seed=4))
    options: dict[str, Any] = {"use_itn": True} if name == "sensevoice" else {}
    theirs: Any = load_model(root / name, model_type=name)
    if name == "qwen3_asr":
        options["max_tokens"] = 120
    expected = theirs.generate(mx.array(short), **options).text.strip()
    answer = system.openai().audio.transcriptions.create(model=name, file=write(tmp_path / "a.flac", short))
    assert answer.text == expected != ""


def test_paraformer_through_the_sdk(system: System, root: Path, clips: dict[str, Path]) -> None:
    """Its library is this server's own: test_paraformer.py holds it against FunASR."""
    expected = load_paraformer(root / "paraformer").recognise(
        as_played(speech(SECONDS, seed=3)), Options(), 0.0
    )
    answer: Any = system.openai().audio.transcriptions.create(model="paraformer", file=clips["flac"])
    assert answer.text == expected.text != ""
    assert answer.duration == SECONDS


def test_bad_files_are_refused_and_harm_nobody(
    system: System, tmp_path: Path, clips: dict[str, Path]
) -> None:
    worker = system.worker
    for name, content in bad_files(tmp_path, clips).items():
        answer = system.http.post("/v1/audio/transcriptions", files={"file": ("a.wav", content)})
        assert answer.status_code == 400, (name, answer.text)
        error = answer.json()["error"]
        assert (error["code"], error["param"]) == ("invalid_audio", "file"), name
        assert error["message"] == f"The audio can't be used: {COMPLAINTS.get(name, BROKEN)}.", name
    assert worker is not None
    assert worker.poll() is None


def test_odd_files_are_heard(system: System, tmp_path: Path, clips: dict[str, Path]) -> None:
    flac = clips["flac"].read_bytes()
    odd = {
        "192 kHz": (write(tmp_path / "high.wav", speech(3, rate=192_000), rate=192_000).read_bytes(), 3),
        "8 channels": (write(tmp_path / "wide.wav", speech(3), layout="7.1").read_bytes(), 3),
        "8 kHz": (write(tmp_path / "low.flac", speech(3, rate=8_000), rate=8_000).read_bytes(), 3),
        "cut in the middle": (flac[: len(flac) // 2], None),
    }
    for name, (content, seconds) in odd.items():
        answer = system.http.post("/v1/audio/transcriptions", files={"file": ("a.mp3", content)})
        assert answer.status_code == 200, (name, answer.text)
        duration = answer.json()["duration"]
        assert duration == pytest.approx(seconds, abs=0.01) if seconds else 1 < duration < SECONDS - 1, name


def memory(system: System) -> float:
    """Of the worker, in MB."""
    assert system.worker is not None
    return float(psutil.Process(system.worker.pid).memory_info().rss) / 1e6


def begin(system: System, recording: Path, model: str) -> str:
    """Hand it in as a job and wait until some of it is understood."""
    with recording.open("rb") as file:
        accepted = system.http.post(
            "/v1/audio/transcriptions",
            files={"file": file},
            data={"model": model},
            headers={"Prefer": "respond-async"},
        )
    assert accepted.status_code == 202, accepted.text
    job_id: str = accepted.json()["id"]
    heard(system, job_id)
    return job_id


def heard(system: System, job_id: str, seconds: float = 60) -> None:
    def done() -> bool:
        job = system.job(job_id)
        assert job["status"] in ("queued", "in_progress", "completed"), job
        return bool(job["progress"] and job["progress"]["done"] >= seconds * 1000)

    system.wait_until(done, "nothing is heard")


def test_half_an_hour(root: Path, tmp_path: Path) -> None:
    """It outlives its worker, takes no more memory than a minute does, and is stopped in its middle."""
    recording = write(tmp_path / "long.flac", np.tile(speech(60, seed=1), 30))
    system = System(root, "first", ASR_MODEL_DIR=root / "paraformer").start()
    try:
        job_id = begin(system, recording, "default")
        system.kill_worker()
        system.start_worker()
        system.wait_until(lambda: system.job(job_id)["attempts"] == 2, "it is not run again")
        heard(system, job_id, 60)
        level = memory(system)
        ended = outcome(system, job_id, 100)
        assert ended["status"] == "completed", ended
        assert memory(system) < level + 60
        assert ended["result"]["duration"] == 1800.0
        assert ended["progress"] == {"done": 1_800_000, "total": 1_800_000, "unit": "milliseconds"}
        told = story(system, job_id)
        again = max(place for place, event in enumerate(told) if event.type == "reset")
        progress = [event.data["done"] for event in told[again:] if event.type == "progress"]
        assert len(progress) > 10
        assert progress == sorted(progress)
        assert progress[-1] == 1_800_000

        job_id = begin(system, recording, "default")
        system.http.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
        assert outcome(system, job_id)["status"] == "cancelled"
        told = story(system, job_id)
        assert [event.type for event in told].count("cancelled") == 1
        assert max(event.data["done"] for event in told if event.type == "progress") < 1_800_000
    finally:
        system.stop()


def test_a_client_that_leaves_takes_its_job_along(system: System, tmp_path: Path) -> None:
    recording = write(tmp_path / "long.flac", np.tile(speech(60, seed=1), 20))
    sent = httpx.Request(
        "POST", system.url, files={"file": recording.read_bytes()}, data={"model": "whisper"}
    )
    headers = {"content-type": sent.headers["content-type"]}
    before = {job["id"] for job in jobs_of(system, set())}
    with connect(system.port) as client:
        client.sendall(request("/v1/audio/transcriptions", sent.read(), headers=headers))
        system.wait_until(
            lambda: [job["status"] for job in jobs_of(system, before)] == ["in_progress"], "it does not start"
        )
    (job,) = jobs_of(system, before)
    assert outcome(system, job["id"])["status"] == "cancelled"
