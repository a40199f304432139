"""`/v1/audio/transcriptions`: what reaches the queue, in which forms it is answered, and what is refused."""

import base64
import io
import json
import threading
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import redis

from config.settings import Settings
from jobs.kinds import Category
from mlxq.media import audio
from tests.support.api_server import ApiServer
from tests.support.audio_samples import hum
from tests.support.scripted_worker import Run, ScriptedWorker

WORDS = [{"word": "Good", "start": 0.0, "end": 0.2}, {"word": "day", "start": 0.2, "end": 0.5}]
RESULT: dict[str, Any] = {
    "text": "Good day & <bye>.",
    "language": "en",
    "duration": 0.6,
    "segments": [
        {"id": 0, "start": 0.0, "end": 0.5, "text": " Good day", "tokens": [1, 2]},
        {"id": 1, "start": 0.5, "end": 0.6, "text": " & <bye>.", "tokens": [3]},
    ],
    "words": WORDS,
    "usage": {"seconds": 0.6},
}
PATHS = ("/v1/audio/transcriptions", "/audio/transcriptions", "/v1/audio/translations")


@pytest.fixture
def hearer(redis_url: str, clean_redis: redis.Redis) -> Iterator[ScriptedWorker]:
    """A worker that hears RESULT in every recording, in two pieces."""

    def hear(run: Run) -> None:
        run.say("Good day", " & <bye>.")
        run.end(result=RESULT)

    with ScriptedWorker(redis_url, default=hear, category=Category.ASR) as worker:
        yield worker


@pytest.fixture
def api(make_settings: Callable[..., Settings], model_root: Path, tmp_path: Path) -> Iterator[ApiServer]:
    folder = model_root / "hears"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "whisper"}')
    (folder / "model.safetensors").write_bytes(bytes(100))
    settings = make_settings(asr_model="hears", data_dir=tmp_path, max_audio_mb=0.05, max_audio_seconds=1)
    with ApiServer(settings) as server:
        yield server


def send(
    http: httpx.Client, path: str = PATHS[0], file: bytes | None = None, **fields: Any
) -> httpx.Response:
    return http.post(path, files={"file": ("a.bin", hum() if file is None else file)}, data=fields)


def told(hearer: ScriptedWorker) -> dict[str, Any]:
    """What the engine is told, but for the recording."""
    payload = dict(hearer.runs[-1].payload)
    assert payload.pop("audio")
    assert payload.pop("seconds") == 0.6
    return payload


@pytest.mark.parametrize("path", PATHS)
def test_each_address_makes_its_own_kind_of_job(
    path: str, http: httpx.Client, hearer: ScriptedWorker
) -> None:
    answer = send(
        http, path, language="de", prompt="Ada", temperature="0.5", seed="7", model="gpt-4o-transcribe"
    )
    assert answer.json() == {
        "text": RESULT["text"],
        "language": "en",
        "duration": 0.6,
        "usage": {"type": "duration", "seconds": 0.6},
    }
    translated = path.endswith("translations")
    assert hearer.runs[-1].claim.job_id.startswith("trsl-" if translated else "trsc-")
    assert told(hearer) == {
        "language": "de",
        "prompt": "Ada",
        "temperature": 0.5,
        "seed": 7,
        **({"translate": True} if translated else {}),
    }


def test_a_translation_is_english_whatever_was_spoken(http: httpx.Client, hearer: ScriptedWorker) -> None:
    hearer.play(*[lambda run: run.end(result={**RESULT, "language": "es"})] * 2)
    assert [send(http, path).json()["language"] for path in ("/v1/audio/transcriptions", PATHS[2])] == [
        "es",
        "en",
    ]


def test_what_means_nothing_here_is_named(sdk: openai.OpenAI, hearer: ScriptedWorker) -> None:
    raw = sdk.audio.transcriptions.with_raw_response.create(
        model="default", file=hum(), include=["logprobs"], chunking_strategy="auto"
    )
    assert raw.headers["warning"] == '299 mlxq "ignored fields: chunking_strategy, include"'


@pytest.mark.parametrize(
    ("asked", "there", "words"),
    [
        ({}, {"segments"}, False),
        ({"timestamp_granularities": ["word", "segment"]}, {"words", "segments"}, True),
        ({"timestamp_granularities": ["word"]}, {"words"}, True),
        ({"timestamp_granularities": ["segment"]}, {"segments"}, False),
        ({"extra_body": {"word_timestamps": True}}, {"words", "segments"}, True),
    ],
)
def test_words_and_segments_are_told_to_who_asks(
    asked: dict[str, Any], there: set[str], words: bool, sdk: openai.OpenAI, hearer: ScriptedWorker
) -> None:
    raw = sdk.audio.transcriptions.with_raw_response.create(
        model="default", file=hum(), response_format="verbose_json", **asked
    )
    answer = json.loads(raw.content)
    assert answer.keys() & {"words", "segments"} == there
    assert answer.get("words", WORDS) == WORDS
    assert (answer["task"], answer["model"]) == ("transcribe", "default")
    assert told(hearer) == ({"words": True} if words else {})


@pytest.mark.parametrize(
    ("form", "kind", "text"),
    [
        ("text", "text/plain", "Good day & <bye>.\n"),
        (
            "srt",
            "application/x-subrip",
            "1\n00:00:00,000 --> 00:00:00,500\nGood day\n\n2\n00:00:00,500 --> 00:00:00,600\n& <bye>.\n",
        ),
        (
            "vtt",
            "text/vtt",
            "WEBVTT\n\n00:00:00.000 --> 00:00:00.500\nGood day\n\n"
            "00:00:00.500 --> 00:00:00.600\n&amp; &lt;bye&gt;.\n",
        ),
    ],
)
def test_what_is_no_json_says_what_it_is(
    form: str, kind: str, text: str, http: httpx.Client, hearer: ScriptedWorker
) -> None:
    answer = send(http, response_format=form)
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert answer.text == text


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ("auto", None),
        ("", None),
        ("en_US", "en-US"),
        ("EN", "en"),
        ("Deutsch", "de"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_language_may_be_written_in_many_ways(
    said: str, language: str | None, http: httpx.Client, hearer: ScriptedWorker
) -> None:
    assert send(http, language=said).status_code == 200
    assert told(hearer) == ({"language": language} if language else {})
    data = base64.b64encode(hum()).decode()
    assert http.post(PATHS[0], json={"file": data, "language": said}).status_code == 200
    assert told(hearer) == ({"language": language} if language else {})


@pytest.mark.parametrize(
    ("model", "ignored"),
    [
        ("hears", []),
        ("parakeet-like", ["language", "prompt", "temperature"]),
        ("senses", ["prompt", "temperature"]),
    ],
)
def test_what_the_model_takes_no_notice_of_is_told(
    model: str, ignored: list[str], http: httpx.Client, hearer: ScriptedWorker, model_root: Path
) -> None:
    for name, kind in (("parakeet-like", "parakeet"), ("senses", "sensevoice")):
        (model_root / name).mkdir()
        (model_root / name / "config.json").write_text(json.dumps({"model_type": kind}))
        (model_root / name / "model.safetensors").write_bytes(bytes(100))
    answer = send(http, model=model, language="en", prompt="Ada", temperature="0.5")
    assert answer.status_code == 200
    warning = answer.headers.get("warning", "")
    assert warning.count("has no effect") == len(ignored)
    assert all(f"'{name}' has no effect" in warning for name in ignored)
    assert "warning" not in send(http, model=model).headers


def test_base64_may_be_written_in_both_alphabets(http: httpx.Client, hearer: ScriptedWorker) -> None:
    data = base64.encodebytes(hum()).decode()
    for text in (data, base64.urlsafe_b64encode(hum()).decode().rstrip("=")):
        assert http.post(PATHS[0], json={"file": text}).status_code == 200


def test_a_stream_tells_each_piece(sdk: openai.OpenAI, hearer: ScriptedWorker) -> None:
    events = sdk.audio.transcriptions.create(model="default", file=hum(), stream=True)
    assert [
        (event.type, getattr(event, "delta", None) or getattr(event, "text", "")) for event in events
    ] == [
        ("transcript.text.delta", "Good day"),
        ("transcript.text.delta", " & <bye>."),
        ("transcript.text.done", RESULT["text"]),
    ]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "docx"}, "response_format"),
        ({"temperature": "1.5"}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"prompt": "x" * 20_000}, "prompt"),
        ({"timestamp_granularities[]": "syllable", "response_format": "verbose_json"}, None),
        ({"timestamp_granularities[]": "word"}, None),
        ({"stream": "true", "response_format": "srt"}, None),
    ],
)
def test_what_nobody_can_answer_is_refused(
    fields: dict[str, Any], param: str | None, http: httpx.Client, hearer: ScriptedWorker
) -> None:
    answer = send(http, **fields)
    assert answer.status_code == 400, answer.text
    if param is not None:
        assert answer.json()["error"]["param"] == param
    assert hearer.runs == []


def long_silence() -> bytes:
    """Two seconds in few bytes."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 1, 8_000, 0, "NONE", "not compressed"))
        writer.writeframes(bytes(16_000))
    return file.getvalue()


@pytest.mark.parametrize(
    ("file", "status", "code"),
    [
        (b"", 400, "invalid_audio"),
        (bytes(60_000), 413, "request_too_large"),
        (long_silence(), 400, "invalid_audio"),
        ("?? no base64", 400, "invalid_audio"),
        ("@@@", 400, "invalid_audio"),
        ("data:audio/wav,AAAA", 400, "invalid_audio"),
        (None, 400, "missing_required_parameter"),
    ],
    ids=["empty", "too large", "too long", "no base64", "signs only", "no base64 in a URL", "none"],
)
def test_files_that_cannot_be_used_leave_nothing_behind(
    file: Any, status: int, code: str, http: httpx.Client, hearer: ScriptedWorker, tmp_path: Path
) -> None:
    if isinstance(file, bytes):
        answers = [send(http, file=file)]
        answers.append(http.post(PATHS[0], json={"file": base64.b64encode(file).decode() or "data:;base64,"}))
    elif file is None:
        answers = [http.post(PATHS[0], files={"other": b"x"}), http.post(PATHS[0], json={})]
    else:
        answers = [http.post(PATHS[0], json={"file": file})]
        assert "not in base64" in answers[0].json()["error"]["message"]
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert answer.json()["error"]["param"] == "file"
    assert hearer.runs == []
    assert not any(each.is_file() for each in (tmp_path / "blobs").rglob("*"))


def test_recordings_that_take_long_to_open_delay_nothing_else(
    http: httpx.Client, hearer: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, probe = threading.Semaphore(0), threading.Event(), audio.probe

    def slow(path: Path, longest: float) -> audio.Sound:
        begun.release()
        assert go_on.wait(60)
        return probe(path, longest)

    monkeypatch.setattr(audio, "probe", slow)
    with ThreadPoolExecutor(30) as clients:
        answers = [clients.submit(send, http, seed=number) for number in range(30)]
        assert begun.acquire(timeout=60)
        assert begun.acquire(timeout=60)
        assert http.get("/v1/voices").status_code == 200
        go_on.set()
        assert {answer.result().status_code for answer in answers} == {200}
