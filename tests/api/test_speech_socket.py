"""Speech over a WebSocket, and who may open one."""

import base64
import contextlib
import json
import socket as sockets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from config.settings import Settings
from jobs.blobs import LocalBlobs
from jobs.errors import EngineFailure
from jobs.kinds import Category
from tests.api.test_speech import put, register
from tests.support.api_server import ApiServer
from tests.support.audio_samples import hum
from tests.support.events import EventType
from tests.support.scripted_worker import Run, ScriptedWorker
from tests.support.waits import wait_for

PCM = bytes(range(200))


@pytest.fixture
def speaker(redis_url: str, clean_redis: redis.Redis, tmp_path: Path) -> Iterator[ScriptedWorker]:
    """A worker that says PCM in two parts."""
    with ScriptedWorker(redis_url, default=lambda run: speak(run, tmp_path), category=Category.TTS) as worker:
        yield worker


def speak(run: Run, folder: Path) -> None:
    for part in (PCM[:90], PCM[90:]):
        run.emit(EventType.AUDIO, audio=base64.b64encode(part).decode())
    run.end(result={"audio": LocalBlobs(folder / "blobs").put(PCM), "format": "pcm", "usage": {}})


@pytest.fixture
def make_api(
    make_settings: Callable[..., Settings], model_root: Path, tmp_path: Path
) -> Iterator[Callable[..., ApiServer]]:
    """An API with a model that speaks and the voices `ann` and `bob`."""
    put(model_root / "speaks", {"model_type": "qwen3_tts"})
    folder = tmp_path / "voices"
    folder.mkdir()
    for pitch, name in enumerate(("ann", "bob")):
        (folder / f"{name}.wav").write_bytes(hum(200 + pitch))
    register(folder, ann={"ref_audio": "ann.wav", "aliases": ["A"]}, bob={"ref_audio": "bob.wav"})
    running: list[ApiServer] = []

    def make(**settings: Any) -> ApiServer:
        values = {"tts_model": "speaks", "data_dir": tmp_path, "voices_dir": folder, **settings}
        running.append(ApiServer(make_settings(**values)))
        return running[-1].__enter__()

    yield make
    for server in running:
        server.__exit__(None, None, None)


def opened(server: ApiServer, **options: Any) -> ClientConnection:
    connection: ClientConnection = connect(
        f"ws://127.0.0.1:{server.port}/ws/v1/tts", open_timeout=60, **options
    )
    return connection


def ask(socket: ClientConnection, event: str, **fields: Any) -> dict[str, Any]:
    """Send an event; returns the next one that comes."""
    socket.send(json.dumps({"event": event, **fields}))
    return hear(socket)


def hear(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(60))
    return message


def sound(socket: ClientConnection, first: dict[str, Any]) -> bytes:
    """The sound of a text, whose first message is here."""
    parts, message = [], first
    while not message["is_final"]:
        assert message["event"] == "task_progress"
        parts.append(bytes.fromhex(message["data"]["audio"]))
        message = hear(socket)
    assert message["data"] == {"audio": ""}
    return b"".join(parts)


def last_of(socket: ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
    """The last message of a text."""
    while not message["is_final"]:
        message = hear(socket)
    return message


def refused(server: ApiServer, **options: Any) -> httpx.Response:
    with pytest.raises(InvalidStatus) as caught:
        opened(server, **options)
    response = caught.value.response
    return httpx.Response(response.status_code, content=bytes(response.body))


def test_two_texts_with_two_voices_on_one_connection(
    make_api: Callable[..., ApiServer], speaker: ScriptedWorker, tmp_path: Path
) -> None:
    server = make_api()
    with opened(server) as socket:
        assert hear(socket) == {"event": "connected_success"}
        start = {"voice_setting": {"voice_id": "ann", "speed": 2}}
        assert ask(socket, "task_start", **start) == {"event": "task_started"}
        assert sound(socket, ask(socket, "task_continue", text="One.")) == PCM
        assert sound(socket, ask(socket, "task_continue", text="Two.", voice_id="BOB")) == PCM
        assert ask(socket, "task_finish") == {"event": "task_finished"}
        with pytest.raises(ConnectionClosed):
            socket.recv(60)
    told = [run.payload for run in speaker.runs]
    assert [payload["input"] for payload in told] == ["One.", "Two."]
    blobs, voices = LocalBlobs(tmp_path / "blobs"), tmp_path / "voices"
    heard = [blobs.read(payload["reference"]["audio"]) for payload in told]
    assert heard == [(voices / name).read_bytes() for name in ("ann.wav", "bob.wav")]
    assert [(payload["format"], payload["speed"]) for payload in told] == [("pcm", 2.0)] * 2
    listed = httpx.get(f"{server.url}/v1/jobs").json()["data"]
    assert [job["status"] for job in listed] == ["completed"] * 2


def test_null_is_as_good_as_left_out(make_api: Callable[..., ApiServer], speaker: ScriptedWorker) -> None:
    with opened(make_api()) as socket:
        hear(socket)
        nothing = {"model": None, "voice_setting": None, "language": None}
        assert ask(socket, "task_start", **nothing) == {"event": "task_started"}
        assert sound(socket, ask(socket, "task_continue", text="One.", **nothing)) == PCM


def test_what_means_nothing_and_who_speaks_instead_is_told(
    make_api: Callable[..., ApiServer], speaker: ScriptedWorker
) -> None:
    with opened(make_api()) as socket:
        hear(socket)
        voice = {"voice_id": "ann", "language": "English", "vol": 2}
        started = ask(socket, "task_start", voice_setting=voice, audio_setting={"format": "mp3"})
        named = "ignored fields: audio_setting, voice_setting.vol"
        assert started == {"event": "task_started", "warnings": [named]}
        last = last_of(socket, ask(socket, "task_continue", text="One.", model="tts-1", lexicon=[]))
        instead = "the model 'speaks' answers in place of 'tts-1'"
        assert last["warnings"] == ["ignored fields: lexicon", instead]
        assert "warnings" not in last_of(socket, ask(socket, "task_continue", text="Two."))
    assert [run.payload["language"] for run in speaker.runs] == ["en", "en"]


def test_texts_that_are_sent_ahead_are_spoken_in_order(
    make_api: Callable[..., ApiServer], speaker: ScriptedWorker
) -> None:
    with opened(make_api()) as socket:
        hear(socket)
        for number in range(4):
            socket.send(json.dumps({"event": "task_continue", "text": f"Number {number}."}))
        assert [sound(socket, hear(socket)) for _ in range(4)] == [PCM] * 4
    assert [run.payload["input"] for run in speaker.runs] == [f"Number {number}." for number in range(4)]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("no JSON", "not valid JSON"),
        ("[]", "JSON object"),
        ('{"event": "dance"}', "Unknown event: 'dance'"),
        ("{}", "Unknown event"),
        ('{"event": "task_continue"}', "'text'"),
        ('{"event": "task_continue", "text": ""}', "empty"),
        ('{"event": "task_continue", "text": "🎉 *"}', "nothing that can be said"),
        ('{"event": "task_continue", "text": "Hi.", "voice_id": "eve"}', "Known are ann, bob"),
        ('{"event": "task_continue", "text": "Hi.", "voice_id": "/etc/passwd"}', "voices folder"),
        ('{"event": "task_continue", "text": "Hi.", "speed": 9}', "speed"),
        ('{"event": "task_continue", "text": "Hi.", "model": "gpt-sovits"}', "GPT-SoVITS"),
        ('{"event": "task_start", "voice_setting": "ann"}', "voice_setting"),
    ],
)
def test_a_wrong_message_is_told_and_the_connection_goes_on(
    message: str, words: str, make_api: Callable[..., ApiServer], speaker: ScriptedWorker
) -> None:
    with opened(make_api()) as socket:
        hear(socket)
        socket.send(message)
        error = hear(socket)
        assert error["event"] == "error"
        assert words in error["message"]
        assert error["error"]["type"] == "invalid_request_error"
        assert sound(socket, ask(socket, "task_continue", text="Hi.")) == PCM
    assert len(speaker.runs) == 1


def test_a_failure_is_told_and_the_connection_goes_on(
    make_api: Callable[..., ApiServer], speaker: ScriptedWorker
) -> None:
    speaker.play(lambda run: run.fail(EngineFailure("It broke.")))
    with opened(make_api()) as socket:
        hear(socket)
        assert ask(socket, "task_continue", text="Hi.")["message"] == "It broke."
        assert sound(socket, ask(socket, "task_continue", text="Hi.")) == PCM


def test_who_leaves_cancels_what_is_being_said(
    make_api: Callable[..., ApiServer], speaker: ScriptedWorker
) -> None:
    left = []

    def wait(run: Run) -> None:
        run.emit(EventType.AUDIO, audio=base64.b64encode(PCM).decode())
        left.append(run.until_cancelled())
        run.cancelled()

    speaker.play(wait)
    server = make_api()
    with opened(server) as socket:
        hear(socket)
        assert ask(socket, "task_continue", text="Hi.")["is_final"] is False
    job_id = speaker.runs[0].claim.job_id
    job = httpx.get(f"{server.url}/v1/jobs/{job_id}", params={"wait": 20}, timeout=60).json()
    assert (job["status"], left) == ("cancelled", [True])


def test_a_silent_client_is_left_when_nothing_is_spoken(
    make_api: Callable[..., ApiServer], speaker: ScriptedWorker, tmp_path: Path
) -> None:
    """Speaking takes longer here than a client may be silent."""

    def slowly(run: Run) -> None:
        time.sleep(1.8)
        speak(run, tmp_path)

    speaker.play(slowly)
    with opened(make_api(websocket_idle_timeout=1.5)) as socket:
        hear(socket)
        assert sound(socket, ask(socket, "task_continue", text="Hi.")) == PCM
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(60)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001


def test_a_message_has_a_size(make_api: Callable[..., ApiServer], speaker: ScriptedWorker) -> None:
    """In whatever pieces it comes."""
    server = make_api(max_speech_characters=100)
    for message in ("x" * 70_000, ["x" * 1000] * 70, ["x"] * 2000):
        with opened(server) as socket:
            hear(socket)
            with contextlib.suppress(ConnectionClosed):
                socket.send(message)
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(60)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
    with opened(server) as socket:
        hear(socket)
        escaped = json.dumps({"event": "task_continue", "text": "\U0001d400" * 100})
        assert len(escaped) > 1200
        socket.send(escaped)
        assert sound(socket, hear(socket)) == PCM


def test_a_client_that_sends_ahead_has_to_wait(
    make_api: Callable[..., ApiServer], speaker: ScriptedWorker
) -> None:
    """While a text is spoken the server takes a bounded part of what comes, and all of it afterwards."""
    going = threading.Event()

    def wait(run: Run) -> None:
        assert going.wait(60)
        run.cancelled()

    speaker.play(wait)
    message = json.dumps({"event": "dance", "padding": "x" * 100_000})
    sent: list[int] = []

    def send() -> None:
        with contextlib.suppress(ConnectionClosed):
            for number in range(300):
                client.send(message)
                sent.append(number)

    with opened(make_api()) as client:
        hear(client)
        client.send(json.dumps({"event": "task_continue", "text": "Hi."}))
        sender = threading.Thread(target=send)
        sender.start()
        wait_for(lambda: len(sent) >= 2)
        before = -1
        while len(sent) != before:
            before = len(sent)
            sender.join(0.5)
        assert before < 200
        going.set()
        told = [hear(client)["event"] for _ in range(301)]
        sender.join(60)
    assert (told, len(sent)) == (["error"] * 301, 300)


def test_compression_is_not_agreed_to(make_api: Callable[..., ApiServer], speaker: ScriptedWorker) -> None:
    """A few bytes of it could become any number of messages."""
    with opened(make_api()) as socket:
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers


def test_a_key_is_asked_for(make_api: Callable[..., ApiServer], speaker: ScriptedWorker) -> None:
    server = make_api(api_keys=("secret",))
    assert refused(server).json()["error"]["code"] == "invalid_api_key"
    assert refused(server, additional_headers={"x-api-key": "wrong"}).status_code == 401
    with opened(server, additional_headers={"authorization": "Bearer secret"}) as socket:
        assert hear(socket)["event"] == "connected_success"


def test_only_allowed_names_and_pages_may_connect(
    make_api: Callable[..., ApiServer], speaker: ScriptedWorker
) -> None:
    server = make_api(cors_origins=("https://friend.example",))
    elsewhere = f"ws://evil.localtest.example:{server.port}/ws/v1/tts"
    with pytest.raises(InvalidStatus) as caught:
        connect(elsewhere, sock=_dial(server), open_timeout=60)
    assert caught.value.response.status_code == 403
    assert refused(server, origin="https://evil.example").status_code == 403
    for origin in ("https://friend.example", server.url):
        with opened(server, origin=origin) as socket:
            assert hear(socket)["event"] == "connected_success"
    with pytest.raises(InvalidStatus):
        connect(f"ws://127.0.0.1:{server.port}/ws/v1/nothing", open_timeout=60)


def _dial(server: ApiServer) -> Any:
    return sockets.create_connection(("127.0.0.1", server.port))
