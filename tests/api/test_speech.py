"""`/v1/audio/speech`: what reaches the queue, what is refused, and how sound comes back."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import redis

from config.settings import Settings
from jobs import keys
from jobs.blobs import BlobStore, LocalBlobs
from jobs.errors import EngineFailure
from jobs.kinds import Category
from mlxq.media.formats import SPEECH_TYPES
from tests.support.api_server import ApiServer
from tests.support.audio_samples import hum
from tests.support.events import EventType
from tests.support.scripted_worker import Run, ScriptedWorker

FILE = bytes(range(256)) * 3
USAGE = {"input_tokens": 2, "output_tokens": 5}


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def speaker(redis_url: str, clean_redis: redis.Redis, blobs: BlobStore) -> Iterator[ScriptedWorker]:
    """A worker that answers every text with FILE, in three parts to those who listen."""

    def speak(run: Run) -> None:
        if run.payload.get("stream"):
            for start in range(0, 600, 300):
                hear(run, FILE[start : start + 300])
        finish(run, blobs)

    with ScriptedWorker(redis_url, default=speak, category=Category.TTS) as worker:
        yield worker


def hear(run: Run, data: bytes) -> None:
    run.emit(EventType.AUDIO, audio=base64.b64encode(data).decode())


def finish(run: Run, blobs: BlobStore, file: bytes = FILE) -> None:
    form = run.payload["format"]
    result = {
        "audio": blobs.put(file),
        "format": form,
        "content_type": SPEECH_TYPES[form],
        "duration": 1.5,
        "sample_rate": 24_000,
        "usage": USAGE,
    }
    run.end(result=result)


@pytest.fixture
def voices(tmp_path: Path) -> Path:
    """The voices folder: `ann` and `bob` of voices.json, a recording that it does not name, and one that is none."""
    folder = tmp_path / "voices"
    (folder / "more").mkdir(parents=True)
    for pitch, name in enumerate(("ann.wav", "bob.wav", "more/eve.wav")):
        (folder / name).write_bytes(hum(200 + pitch))
    (folder / "noise.wav").write_bytes(b"no sound")
    register(
        folder,
        ann={"ref_audio": "ann.wav", "ref_text": "Hi.", "speed_factor": 0.5, "aliases": ["Anna", "nova"]},
        bob={"ref_audio": str(folder / "bob.wav")},
    )
    return folder


def recording(blobs: BlobStore, folder: Path, reference: dict[str, Any]) -> str:
    """Which recording of the folder the engine is given."""
    content = blobs.read(reference["audio"])
    (found,) = [file.name for file in folder.rglob("*.wav") if file.read_bytes() == content]
    return found


def register(folder: Path, default: str = "", **entries: Any) -> None:
    (folder / "voices.json").write_text(json.dumps({"default_voice": default, "voices": entries}))


@pytest.fixture
def make_api(
    make_settings: Callable[..., Settings], model_root: Path, tmp_path: Path, voices: Path
) -> Iterator[Callable[..., ApiServer]]:
    """An API whose models are `speaks`, the default, `many`, which has voices of its own, and `tiny`, which chats."""
    put(model_root / "speaks", {"model_type": "qwen3_tts"})
    put(
        model_root / "many",
        {"model_type": "qwen3_tts", "talker_config": {"spk_id": {"vivian": 1, "ryan": 2}}},
    )
    put(model_root / "index", {"model_type": "indextts"})
    running: list[ApiServer] = []

    def make(**settings: Any) -> ApiServer:
        values = {"tts_model": "speaks", "data_dir": tmp_path, "voices_dir": voices, **settings}
        running.append(ApiServer(make_settings(**values)))
        return running[-1].__enter__()

    yield make
    for server in running:
        server.__exit__(None, None, None)


def put(folder: Path, config: dict[str, Any]) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(bytes(100))


@pytest.fixture
def http(make_api: Callable[..., ApiServer]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=make_api().url, timeout=30) as client:
        yield client


def say(http: httpx.Client, text: str = "Hello.", **fields: Any) -> httpx.Response:
    return http.post("/v1/audio/speech", json={"input": text, **fields})


def told(http: httpx.Client, speaker: ScriptedWorker, **fields: Any) -> dict[str, Any]:
    """What the engine is told of a request."""
    answer = say(http, **fields)
    assert answer.status_code == 200, answer.text
    payload = dict(speaker.runs[-1].payload)
    assert payload.pop("input") == fields.get("text", "Hello.")
    return payload


@pytest.mark.parametrize("form", SPEECH_TYPES)
def test_each_format_is_what_it_says(form: str, http: httpx.Client, speaker: ScriptedWorker) -> None:
    answer = say(http, response_format=form)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == SPEECH_TYPES[form]
    assert answer.content == FILE
    job_id = speaker.runs[0].claim.job_id
    assert job_id.startswith("spch-")
    assert answer.headers["x-request-id"] == job_id
    whole = form in ("wav", "flac")
    assert ("content-length" in answer.headers) is whole
    assert speaker.runs[0].claim.stream is not whole


def test_wav_is_usual_and_streams_when_asked(http: httpx.Client, speaker: ScriptedWorker) -> None:
    assert told(http, speaker) == {"format": "wav"}
    streamed = say(http, stream_format="audio")
    assert (streamed.headers["content-type"], streamed.content) == ("audio/wav", FILE)
    assert "content-length" not in streamed.headers
    assert speaker.runs[-1].payload["stream"] is True


def test_openais_client_is_understood(
    make_api: Callable[..., ApiServer], speaker: ScriptedWorker, voices: Path, blobs: BlobStore
) -> None:
    with openai.OpenAI(base_url=f"{make_api().url}/v1", api_key="any", max_retries=0) as sdk:
        answer = sdk.audio.speech.create(
            model="gpt-4o-mini-tts",
            voice={"id": "bob"},
            input="Hello.",
            instructions="Cheerful.",
            response_format="mp3",
            speed=1.25,
        )
        assert answer.content == FILE
        with sdk.audio.speech.with_streaming_response.create(
            model="tts-1", voice="alloy", input="Hello."
        ) as stream:
            assert b"".join(stream.iter_bytes()) == FILE
    payload = speaker.runs[0].payload
    assert payload["instructions"] == "Cheerful."
    assert payload["speed"] == 1.25
    assert recording(blobs, voices, payload["reference"]) == "bob.wav"
    assert speaker.runs[1].payload == {"input": "Hello.", "format": "wav"}


def test_the_first_bytes_leave_before_the_last_are_made(
    http: httpx.Client, speaker: ScriptedWorker, blobs: BlobStore
) -> None:
    def wait(run: Run) -> None:
        hear(run, b"first")
        assert run.until_cancelled()
        run.cancelled()

    speaker.play(wait)
    request = {"input": "Hello.", "response_format": "pcm"}
    with http.stream("POST", "/v1/audio/speech", json=request) as answer:
        # An iterator that nobody holds closes its response.
        parts = answer.iter_raw()
        assert next(parts) == b"first"
        job_id = answer.headers["x-request-id"]
        assert http.get(f"/v1/jobs/{job_id}").json()["status"] == "in_progress"
    # The client has left: the script goes on only when its job is cancelled.
    assert http.get(f"/v1/jobs/{job_id}", params={"wait": 20}).json()["status"] == "cancelled"


def test_openais_events(http: httpx.Client, speaker: ScriptedWorker) -> None:
    answer = say(http, stream_format="sse", response_format="mp3")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert [event["type"] for event in events] == [*["speech.audio.delta"] * 3, "speech.audio.done"]
    assert b"".join(base64.b64decode(event["audio"]) for event in events[:-1]) == FILE
    assert events[-1]["usage"] == {**USAGE, "total_tokens": 7}


def test_a_job_that_runs_again_repeats_nothing(
    http: httpx.Client, speaker: ScriptedWorker, blobs: BlobStore
) -> None:
    def die(run: Run) -> None:
        hear(run, FILE[:300])
        run.requeue()

    def again(run: Run) -> None:
        hear(run, FILE[:150])
        hear(run, FILE[150:450])
        finish(run, blobs)

    speaker.play(die, again)
    assert say(http, response_format="mp3").content == FILE
    assert [run.claim.attempt for run in speaker.runs] == [1, 2]


def test_an_early_failure_is_an_error_and_a_late_one_breaks_off(
    http: httpx.Client, speaker: ScriptedWorker
) -> None:
    def early(run: Run) -> None:
        run.fail(EngineFailure("It broke."))

    def late(run: Run) -> None:
        hear(run, b"begun")
        run.fail(EngineFailure("It broke."))

    speaker.play(early, late, late)
    answer = say(http, response_format="pcm")
    assert (answer.status_code, answer.json()["error"]["message"]) == (500, "It broke.")
    with pytest.raises(httpx.RemoteProtocolError):
        say(http, response_format="pcm")
    events = say(http, stream_format="sse").text
    assert '"speech.audio.delta"' in events
    assert '"message":"It broke."' in events


@pytest.mark.parametrize(
    ("fields", "status", "param", "words"),
    [
        ({"input": ""}, 400, "input", "empty"),
        ({"input": " \n"}, 400, "input", "empty"),
        ({"input": None}, 400, "input", "Missing"),
        ({"input": "x" * 4097}, 400, "input", "4097 characters"),
        ({"response_format": "ogg"}, 400, "response_format", "'opus'"),
        ({"stream_format": "raw"}, 400, "stream_format", "'sse'"),
        ({"speed": 0.2}, 400, "speed", "0.25"),
        ({"speed": 4.5}, 400, "speed", "4"),
        ({"speed": "fast"}, 400, "speed", "number"),
        ({"voice": 5}, 400, "voice", "name of a voice"),
        ({"voice": {"name": "ann"}}, 400, "voice", "id"),
        ({"voice": "nobody"}, 400, "voice", "Known are ann, bob, alloy"),
        ({"voice": "nobody", "model": "many"}, 400, "voice", "ann, bob, vivian, ryan"),
        ({"voice": "/etc/passwd"}, 400, "voice", "voices folder"),
        ({"voice": "../models/speaks/config.json"}, 400, "voice", "voices folder"),
        ({"voice": "~root/voice.wav"}, 400, "voice", "voices folder"),
        ({"voice": "link.wav"}, 400, "voice", "voices folder"),
        ({"voice": "missing.wav"}, 400, "voice", "not there"),
        ({"voice": "noise.wav"}, 400, "voice", "no audio file"),
        ({"voice": "bob.wav\0"}, 400, "voice", "name of a voice"),
        ({"reference_audio": "###"}, 400, "reference_audio", "can't be used"),
        ({"reference_audio": "hällo"}, 400, "reference_audio", "base64"),
        (
            {"reference_audio": base64.b64encode(b"no sound").decode()},
            400,
            "reference_audio",
            "no audio file",
        ),
        ({"reference_audio": base64.b64encode(hum(seconds=3)).decode()}, 400, "reference_audio", "2 s"),
        ({"model": "tiny"}, 400, "model", "'llm'"),
        ({"model": "nobody-knows"}, 404, "model", "does not exist"),
        ({"model": "gpt-sovits"}, 404, "model", "Qwen3-TTS"),
    ],
)
def test_bad_input_never_reaches_the_queue(
    fields: dict[str, Any],
    status: int,
    param: str,
    words: str,
    make_api: Callable[..., ApiServer],
    speaker: ScriptedWorker,
    voices: Path,
    model_root: Path,
) -> None:
    (voices / "link.wav").symlink_to(model_root / "speaks" / "config.json")
    url = make_api(max_reference_seconds=2).url
    answer = httpx.post(f"{url}/v1/audio/speech", json={"input": "Hello.", **fields}, timeout=60)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (status, param), error
    assert words in error["message"]
    assert str(voices.parent) not in answer.text
    if status == 501:
        assert answer.headers["x-should-retry"] == "false"
    assert not speaker.runs


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"voice": "ANN"}, {"file": "ann.wav", "text": "Hi.", "speed": 0.5}),
        ({"voice": "anna", "speed": 3}, {"file": "ann.wav", "text": "Hi.", "speed": 1.5}),
        ({"voice": "nova"}, {"file": "ann.wav", "text": "Hi.", "speed": 0.5}),
        ({"voice": "bob", "model": "many"}, {"file": "bob.wav"}),
        ({"voice": "more/eve.wav"}, {"file": "eve.wav"}),
        ({"voice": "alloy"}, {}),
        ({"voice": "default"}, {}),
        ({"voice": "RYAN", "model": "many"}, {"voice": "ryan"}),
        ({"voice": "alloy", "model": "many"}, {"voice": "vivian"}),
        ({"voice": "ash", "model": "many"}, {"voice": "ryan"}),
        (
            {"instruct": "Slowly.", "language": "en", "seed": 7},
            {"instructions": "Slowly.", "language": "en", "seed": 7},
        ),
        ({"language": "en_US"}, {"language": "en-US"}),
        ({"language": "Deutsch"}, {"language": "de"}),
        ({"language": "auto"}, {}),
        ({"language": ""}, {}),
        ({"language": None}, {}),
        ({"voice": "more/eve.wav", "reference_text": "Hum."}, {"file": "eve.wav", "text": "Hum."}),
        ({"voice": "ann", "ref_text": "Ho."}, {"file": "ann.wav", "text": "Ho.", "speed": 0.5}),
    ],
)
def test_what_the_engine_is_told(
    fields: dict[str, Any],
    expected: dict[str, Any],
    http: httpx.Client,
    speaker: ScriptedWorker,
    voices: Path,
    blobs: BlobStore,
) -> None:
    payload = told(http, speaker, **{"voice": "alloy", **fields} if "model" not in fields else fields)
    reference = payload.pop("reference", None)
    if reference is not None:
        payload["file"] = recording(blobs, voices, reference)
        del reference["audio"]
        payload |= reference
    assert payload.pop("format") == "wav"
    assert payload == expected


@pytest.mark.parametrize(
    ("model", "fields", "warned"),
    [
        ("speaks", {"voice": "ann.wav", "reference_text": "Hum.", "language": "en"}, []),
        ("many", {"instructions": "Slowly."}, ["'instructions'"]),
        ("index", {"voice": "ann.wav", "reference_text": "Hum."}, ["'reference_text'"]),
        (
            "index",
            {"voice": "ann.wav", "language": "en", "instruct": "Sing."},
            ["'instructions'", "'language'"],
        ),
        ("speaks", {"reference_text": "Hum."}, ["'reference_text' has no effect without the recording"]),
    ],
)
@pytest.mark.parametrize("form", ["wav", "mp3"])
def test_what_does_not_count_is_told(
    model: str,
    fields: dict[str, Any],
    warned: list[str],
    form: str,
    http: httpx.Client,
    speaker: ScriptedWorker,
) -> None:
    answer = say(http, model=model, response_format=form, **fields)
    assert answer.status_code == 200, answer.text
    warning = answer.headers.get("warning", "")
    assert warning.count("299 mlxq") == len(warned), warning
    for each in warned:
        assert each in warning


@pytest.mark.parametrize(
    "text", ["🎉", "😀🎉 …", "*", "~~~", "。", "؟", "—!?", "️⃣", "「」", "- - -\n***", "\u3164"]
)
def test_a_text_without_words_is_refused(text: str, http: httpx.Client, speaker: ScriptedWorker) -> None:
    answer = say(http, text)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input")
    assert "nothing that can be said" in answer.json()["error"]["message"]
    assert speaker.runs == []


@pytest.mark.parametrize("text", ["1", "٣", "あ", "Ω.", "你好", "é", "1️⃣"])
def test_a_letter_or_a_digit_of_any_script_is_a_text(
    text: str, http: httpx.Client, speaker: ScriptedWorker
) -> None:
    assert say(http, text).status_code == 200


def test_a_recording_that_is_sent_is_a_file_of_the_job(
    http: httpx.Client, speaker: ScriptedWorker, blobs: BlobStore
) -> None:
    data = base64.b64encode(hum()).decode()
    reference = told(http, speaker, reference_audio=data, reference_text="Hi.", voice="bob")["reference"]
    assert blobs.read(reference["audio"]) == hum()
    assert reference["text"] == "Hi."
    reference = told(http, speaker, reference_audio=f"data:audio/wav;base64,{data}")["reference"]
    assert blobs.read(reference["audio"]) == hum()
    assert "text" not in reference


def test_who_names_no_voice_hears_the_usual_one(
    make_api: Callable[..., ApiServer],
    speaker: ScriptedWorker,
    voices: Path,
    blobs: BlobStore,
    tmp_path: Path,
) -> None:
    own = tmp_path / "own.wav"
    own.write_bytes(hum(300))
    settings = {"tts_ref_audio": str(own), "tts_ref_text": "Hum."}
    with httpx.Client(base_url=make_api(**settings).url, timeout=30) as http:
        reference = told(http, speaker)["reference"]
        assert blobs.read(reference["audio"]) == own.read_bytes()
        assert reference == {"audio": reference["audio"], "text": "Hum.", "usual": True}
        assert told(http, speaker, voice="shimmer")["reference"] == reference
        # The same content is stored once.
        named = {"audio": reference["audio"], "text": "Hum."}
        assert told(http, speaker, voice=str(own))["reference"] == named
        assert "reference" not in told(http, speaker, model="many")
        register(voices, default="bob", bob={"ref_audio": "bob.wav"})
        assert recording(blobs, voices, told(http, speaker)["reference"]) == "bob.wav"
        assert told(http, speaker, voice="bob.wav")["reference"].keys() == {"audio"}


def test_the_registry_is_read_again_when_it_changes(
    http: httpx.Client, speaker: ScriptedWorker, voices: Path, blobs: BlobStore
) -> None:
    def names() -> list[str]:
        return [row["name"] for row in http.get("/v1/voices").json()["voices"]]

    listed = http.get("/v1/voices").json()
    assert listed["voices"][0] == {
        "name": "ann",
        "aliases": ["Anna", "nova"],
        "source": "registry",
        "speed_factor": 0.5,
        "has_transcript": True,
    }
    assert names() == ["ann", "bob"]
    assert listed["default_voice"] is None
    assert str(voices) not in json.dumps(listed)
    base = {"ref_audio": "eve.wav", "aliases": ["E"]}
    content = {
        "default_voice": "e",
        "models_base_path": "more",
        "voices": {"eve": base, "bad": {"ref_audio": 3}},
    }
    (voices / "voices.json").write_text(json.dumps(content))
    assert http.get("/v1/voices").json()["default_voice"] == "eve"
    assert names() == ["eve"]
    assert recording(blobs, voices, told(http, speaker, voice="EVE")["reference"]) == "eve.wav"
    (voices / "voices.json").write_text("{")
    assert names() == ["eve"]
    (voices / "voices.json").unlink()
    assert names() == []


def test_the_models_own_voices_are_listed(make_api: Callable[..., ApiServer], voices: Path) -> None:
    (voices / "voices.json").unlink()
    listed = httpx.get(f"{make_api(tts_model='many').url}/v1/voices").json()
    assert [(row["name"], row["source"]) for row in listed["voices"]] == [
        ("vivian", "model"),
        ("ryan", "model"),
    ]
    assert listed["default_voice"] == "vivian"


def test_a_job_in_the_background_leaves_a_file(
    http: httpx.Client, speaker: ScriptedWorker, blobs: BlobStore, clean_redis: redis.Redis
) -> None:
    answer = http.post(
        "/v1/audio/speech",
        json={"input": "Hello.", "response_format": "mp3"},
        headers={"prefer": "respond-async"},
    )
    assert answer.status_code == 202
    assert "stream" not in speaker.runs[0].payload if speaker.runs else True
    job = http.get(f"/v1/jobs/{answer.json()['id']}", params={"wait": 20}).json()
    assert job["result"] == {
        "object": "audio.speech",
        "model": "default",
        "format": "mp3",
        "content_type": "audio/mpeg",
        "duration": 1.5,
        "sample_rate": 24_000,
        "url": f"{http.base_url}/v1/jobs/{job['id']}/artifacts/0",
        "usage": {**USAGE, "total_tokens": 7},
    }
    file = http.get(job["result"]["url"])
    assert (file.status_code, file.content, file.headers["content-type"]) == (200, FILE, "audio/mpeg")
    part = http.get(job["result"]["url"], headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, FILE[10:20])
    for path in ("artifacts/1", "artifacts/x", "artifacts/-1"):
        assert http.get(f"/v1/jobs/{job['id']}/{path}").status_code in (400, 404)
    blobs.sweep(-1)
    assert http.get(job["result"]["url"]).json()["error"]["code"] == "file_not_found"
    clean_redis.delete(keys.job(job["id"]))
    assert http.get(job["result"]["url"]).json()["error"]["code"] == "job_not_found"


def test_a_running_job_has_no_file_yet(http: httpx.Client, speaker: ScriptedWorker) -> None:
    def wait(run: Run) -> None:
        run.emit(EventType.PROGRESS, done=1, total=2)
        assert run.until_cancelled()
        run.cancelled()

    speaker.play(wait)
    job_id = say(http, background=True).json()["id"]
    assert http.get(f"/v1/jobs/{job_id}/artifacts/0").status_code == 404
    http.delete(f"/v1/jobs/{job_id}").raise_for_status()
