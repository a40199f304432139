"""A voice from the first minute: the programs of the operating system speak where no model does."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest
import redis

from config.settings import Settings
from mlxq.testing import in_process_worker
from tests.support.api_server import ApiServer
from tests.support.audio_samples import samples_of, seconds_of
from tests.support.speaking_programs import SpeakingProgram, fake_espeak, fake_say

#: Serves with this program on the PATH.
Serve = Callable[[SpeakingProgram | None], httpx.Client]

WRITTEN = ["--file-format=WAVE", "--data-format=LEI16@22050", "-f", "-"]


@pytest.fixture
def serve(
    redis_url: str, clean_redis: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Serve]:
    settings = Settings(
        redis_url=redis_url,
        model_roots=(tmp_path / "models",),
        data_dir=tmp_path / "data",
        llm_model="none-at-start",
        auto_download=False,
    )
    with ExitStack() as stack:

        def serving(program: SpeakingProgram | None) -> httpx.Client:
            monkeypatch.setenv("PATH", str(tmp_path if program is None else program.folder))
            stack.enter_context(in_process_worker(settings))
            server = stack.enter_context(ApiServer(settings))
            return stack.enter_context(httpx.Client(base_url=server.url, timeout=60))

        yield serving


def say(http: httpx.Client, text: str = "One two three four.", **fields: object) -> httpx.Response:
    return http.post("/v1/audio/speech", json={"input": text, **fields})


def spoken_with(program: SpeakingProgram) -> str:
    """The voice of the last call."""
    arguments, _ = program.calls[-1]
    return arguments[arguments.index("-v") + 1]


def test_say_speaks_where_no_model_is_installed(serve: Serve, tmp_path: Path) -> None:
    program = fake_say(tmp_path / "bin")
    http = serve(program)

    answer = say(http)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "audio/wav"
    assert seconds_of(answer.content, "wav") == pytest.approx(0.4)
    assert abs(samples_of(answer.content)).max() > 0.2
    assert "'system'" in answer.headers["warning"]
    assert "mlxq pull" in answer.headers["warning"]
    ((arguments, text),) = program.calls
    assert text == "One two three four."
    assert arguments[:3] == ["-v", "Samantha", "-o"]
    assert arguments[4:] == WRITTEN
    assert not Path(arguments[3]).exists(), "what was spoken is deleted"

    for name in ("tts-1", "gpt-4o-mini-tts", "system", "default"):
        assert say(http, model=name).status_code == 200, name
    assert [row["id"] for row in http.get("/v1/models").json()["data"] if row["type"] == "tts"] == ["system"]


#: Requests, and the voices that they mean.
VOICES: dict[str, list[dict[str, str]]] = {
    "Samantha": [{"voice": "alloy"}],
    "Daniel": [{"voice": "ash"}, {"language": "en-GB"}],
    "Anna": [{"voice": "anna"}, {"language": "de"}],
    "Eddy (German (Germany))": [{"voice": "Eddy (German (Germany))"}],
    "Kyoko": [{"language": "Japanese"}, {"input": "東京へ行きます"}],
    "Tingting": [{"input": "你好世界"}],
}


def test_voices_are_found(serve: Serve, tmp_path: Path) -> None:
    program = fake_say(tmp_path / "bin")
    http = serve(program)
    for voice, requests in VOICES.items():
        for fields in requests:
            answer = http.post("/v1/audio/speech", json={"input": "Hello there.", **fields})
            assert answer.status_code == 200, answer.text
            assert spoken_with(program) == voice, fields

    unknown = say(http, voice="Bruno")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, "invalid_voice")
    assert "Samantha" in unknown.json()["error"]["message"]
    language = say(http, language="sw")
    assert (language.status_code, language.json()["error"]["param"]) == (400, "language")
    assert "de-DE" in language.json()["error"]["message"]


def test_commands_in_a_text_are_no_commands(serve: Serve, tmp_path: Path) -> None:
    program = fake_say(tmp_path / "bin")
    assert say(serve(program), "Slowly [[rate 20]] now; `id` $(id) -o /etc/passwd").status_code == 200
    ((arguments, text),) = program.calls
    assert text == "Slowly [ [rate 20] ] now; `id` $(id) -o /etc/passwd"
    assert "/etc/passwd" not in arguments


def test_espeak_speaks_on_linux(serve: Serve, tmp_path: Path) -> None:
    program = fake_espeak(tmp_path / "bin")
    http = serve(program)
    answer = say(http, response_format="mp3", voice="echo")
    assert answer.status_code == 200, answer.text
    assert seconds_of(answer.content, "mp3") == pytest.approx(0.4, abs=0.06)
    arguments, text = program.calls[-1]
    assert (arguments[:3], arguments[4:]) == (["-v", "en-us+m2", "-w"], ["--stdin"])
    assert text == "One two three four."
    assert say(http, language="zh").status_code == 200
    assert spoken_with(program) == "cmn"
    voices = [voice["name"] for voice in http.get("/v1/voices").json()["voices"]]
    assert voices[0] == "en-us+f2"
    assert {"de", "cmn", "en-gb"} <= set(voices)


def test_without_a_program_two_ways_on_are_named(serve: Serve) -> None:
    answer = say(serve(None))
    assert answer.status_code == 404
    message = answer.json()["error"]["message"]
    assert "mlxq pull" in message
    assert "espeak-ng" in message


def test_a_long_text_is_heard_before_it_is_spoken_whole(serve: Serve, tmp_path: Path) -> None:
    program = fake_say(tmp_path / "bin")
    http = serve(program)
    text = "This sentence has some words. " * 40
    fields = {"input": text, "stream_format": "audio", "response_format": "pcm"}
    program.hold(after=1)
    with http.stream("POST", "/v1/audio/speech", json=fields) as answer:
        chunks = answer.iter_bytes()
        first = next(chunks)
        program.go_on()
        rest = b"".join(chunks)
    assert len(program.calls) > 1
    assert first
    assert len(first) + len(rest) == 2 * 24_000 * 200 // 10


def test_a_cancelled_job_ends_its_program(serve: Serve, tmp_path: Path) -> None:
    program = fake_say(tmp_path / "bin")
    http = serve(program)
    program.hold()
    job = http.post("/v1/audio/speech", json={"input": "Wait."}, headers={"prefer": "respond-async"}).json()
    deadline = time.monotonic() + 60
    while not program.calls and time.monotonic() < deadline:
        time.sleep(0.01)
    running = [
        each for each in psutil.Process().children() if str(program.folder) in " ".join(each.cmdline())
    ]
    assert running
    assert http.post(f"/v1/jobs/{job['id']}/cancel").status_code == 200
    assert psutil.wait_procs(running, timeout=20)[1] == []
    program.go_on()
    assert say(http).status_code == 200


def test_a_program_that_fails_fails_its_job_alone(serve: Serve, tmp_path: Path) -> None:
    program = fake_say(tmp_path / "bin")
    http = serve(program)
    program.break_down()
    failed = say(http)
    assert failed.status_code == 500
    assert str(tmp_path) not in failed.text
    assert "out of order" not in failed.text
    (program.folder / "broken").unlink()
    assert say(http).status_code == 200
