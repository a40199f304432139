"""GPT-SoVITS through HTTP: random weights say, sample for sample, what the networks say with the same seed."""

# ruff: noqa: RUF001

import base64
import io
import json
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from websockets.sync.client import connect

from mlxq.media.formats import SPEECH_TYPES
from tests.support.audio_samples import hum, samples_of, seconds_of, stereo
from tests.support.checkpoints import random_qwen3
from tests.support.gpt_sovits_checkpoint import gpt_sovits_checkpoint
from tests.support.stories import outcome
from tests.support.system import System
from worker.engines.tts.gpt_sovits.family import GptSoVITS
from worker.engines.tts.gpt_sovits.loading import load
from worker.engines.tts.gpt_sovits.text.front_end import FrontEnd

pytestmark = pytest.mark.filterwarnings("ignore:open_text is deprecated")

TEXT = "Hello, world! This is a voice cloning test."
WORDS, SEED = "你好世界。", 11
#: Longer than any test waits, by far more than a busy machine is late.
LONG = "This is a long story about a fox. " * 400
#: At this logit about every twentieth code ends a text.
ENDING = 8.0
#: Samples of a frame, and of the silence after a piece of text.
FRAME, SILENCE = 640, 9600


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    gpt_sovits_checkpoint(root / "voices-v2", 5, ending=ENDING)
    random_qwen3(root / "chat", seed=1)
    return root


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices")
    for name, pitch in (("ann", 330), ("bob", 90)):
        (folder / f"{name}.wav").write_bytes(hum(pitch, seconds=3.2, rate=24_000))
    entries = {
        "ann": {"ref_audio": "ann.wav", "ref_text": WORDS, "aliases": ["Anna"]},
        "bob": {"ref_audio": "bob.wav", "speed_factor": 2},
    }
    (folder / "voices.json").write_text(json.dumps({"voices": entries}))
    return folder


@pytest.fixture(scope="module")
def system(root: Path, voices: Path) -> Iterator[System]:
    running = System(
        root,
        "chat",
        TTS_MODEL=root / "voices-v2",
        VOICES_DIR=voices,
        TTS_REF_AUDIO=voices / "bob.wav",
        MAX_SPEECH_CHARACTERS=2 * len(LONG),
    )
    try:
        yield running.start()
    finally:
        running.stop()


def say(system: System, text: str = TEXT, **fields: Any) -> bytes:
    body = {"input": text, "seed": SEED, **fields}
    answer = system.http.post("/v1/audio/speech", json=body, timeout=100)
    assert answer.status_code == 200, answer.text
    return answer.content


def test_the_example_of_ominix_says_what_the_networks_say(
    system: System, root: Path, voices: Path, tmp_path: Path
) -> None:
    ours = say(system, model="gpt-sovits", voice=str(voices / "ann.wav"))
    with wave.open(io.BytesIO(ours)) as file:
        assert (file.getframerate(), file.getnchannels()) == (32_000, 1)
    model = load(root / "voices-v2", FrontEnd(tmp_path))
    speaker = GptSoVITS(model, ())
    mx.random.seed(SEED)
    chunks = model.generate(TEXT, speaker.recording(voices / "ann.wav"))
    theirs = np.concatenate([np.array(chunk.audio) for chunk in chunks])
    assert np.abs(theirs).max() > 0.01
    assert np.abs(samples_of(ours) - theirs).max() < 1e-3


def test_voice_and_transcript_are_heard(system: System, voices: Path) -> None:
    ann, bob = say(system, voice="ann.wav"), say(system, voice="bob.wav")
    assert ann != bob
    # The default voice is TTS_REF_AUDIO.
    assert say(system) == say(system, voice="alloy") == bob
    known = say(system, voice="anna")
    assert known != ann
    assert known == say(system, voice="ann.wav", reference_text=WORDS)
    sent = base64.b64encode((voices / "ann.wav").read_bytes()).decode()
    assert known == say(system, reference_audio=sent, reference_text=WORDS)
    fast, usual = (len(samples_of(each)) - SILENCE for each in (say(system, voice="bob"), bob))
    assert fast == pytest.approx(usual / 2, abs=FRAME)


def test_texts_of_several_languages(system: System) -> None:
    texts = ("你好，世界。", "Hello, world.", "こんにちは。", "今天我们去看 Star Wars 电影。")
    spoken = {text: say(system, text) for text in texts}
    assert len(set(spoken.values())) == 4
    assert say(system, "你好，世界。", language="zh") == spoken["你好，世界。"]


def test_six_formats_of_the_same_length(system: System) -> None:
    seconds = {form: seconds_of(say(system, response_format=form), form) for form in SPEECH_TYPES}
    assert seconds == pytest.approx(dict.fromkeys(seconds, seconds["wav"]), rel=0.03)


def test_two_voices_on_one_connection(system: System) -> None:
    with connect(f"ws://127.0.0.1:{system.port}/ws/v1/tts") as socket:
        socket.recv(60)

        def hear(**fields: Any) -> bytes:
            socket.send(json.dumps({"event": "task_continue", "text": TEXT, "seed": SEED, **fields}))
            parts = []
            while not (message := json.loads(socket.recv(60)))["is_final"]:
                parts.append(bytes.fromhex(message["data"]["audio"]))
            return b"".join(parts)

        ann, bob = hear(voice_id="ann"), hear(voice_id="bob")
    assert ann == say(system, voice="ann", response_format="pcm")
    assert bob == say(system, voice="bob", response_format="pcm")


def test_a_recording_is_loaded_as_ominix_clients_do(system: System, root: Path, voices: Path) -> None:
    usual, ann = say(system), say(system, voice="ann.wav")
    body = {"model": str(voices / "ann.wav"), "model_type": "tts"}
    answer = system.http.post("/v1/models/load", json=body, timeout=60).json()
    assert (answer["model"], answer["model_type"]) == ("voices-v2", "tts")
    assert say(system) == say(system, voice="alloy") == ann != usual
    system.http.post("/v1/models/unload", json={"model_type": "tts"}, timeout=60).raise_for_status()
    assert say(system) == usual
    for path in (str(root / "voices-v2" / "ann.wav"), "/etc/passwd.wav", "nobody.wav"):
        answer = system.http.post("/v1/models/load", json=body | {"model": path}, timeout=60)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")
    assert say(system) == usual


#: What is wrong with a recording, and which words tell it.
BAD = {
    "short": (hum(seconds=1), "it has 1.0 seconds, and the model takes 3 to 10"),
    "long": (hum(seconds=11), "it has 11.0 seconds, and the model takes 3 to 10"),
    "stereo": (stereo(hum(seconds=3.2)), "it has 2 channels: record it, or convert it, to mono"),
    "silent": (hum(seconds=3.2, loudness=0), "nothing is heard in it"),
}


@pytest.fixture(scope="module")
def bad(voices: Path) -> Path:
    """The folder of voices, with the bad ones in it."""
    for name, (recording, _) in BAD.items():
        (voices / f"{name}.wav").write_bytes(recording)
    return voices


@pytest.mark.parametrize("name", BAD)
def test_bad_recordings_are_told(name: str, system: System, bad: Path) -> None:
    recording, words = BAD[name]
    asked = [{"reference_audio": base64.b64encode(recording).decode()}, {"voice": str(bad / f"{name}.wav")}]
    for fields in asked:
        answer = system.http.post("/v1/audio/speech", json={"input": TEXT, **fields}, timeout=60)
        assert answer.status_code == 400, answer.text
        error = answer.json()["error"]
        # Only the model hears whether there is a sound in it.
        assert error["param"] == ("voice" if name == "silent" else next(iter(fields)))
        assert words in error["message"]
        assert answer.json()["detail"] == error["message"]


def test_bad_recordings_are_told_on_a_connection_that_goes_on(system: System, bad: Path) -> None:
    with connect(f"ws://127.0.0.1:{system.port}/ws/v1/tts") as socket:
        socket.recv(60)
        for name, (_, words) in BAD.items():
            socket.send(json.dumps({"event": "task_continue", "text": TEXT, "voice_id": f"{name}.wav"}))
            told = json.loads(socket.recv(60))
            assert (told["event"], told["error"]["param"]) == ("error", "voice")
            assert words in told["message"]
        socket.send(json.dumps({"event": "task_continue", "text": TEXT, "voice_id": "ann"}))
        assert json.loads(socket.recv(60))["event"] == "task_progress"


@pytest.mark.parametrize("name", ["short", "long", "stereo"])
def test_bad_recordings_are_not_loaded(name: str, system: System, bad: Path) -> None:
    usual = say(system)
    body = {"model": str(bad / f"{name}.wav"), "model_type": "tts"}
    answer = system.http.post("/v1/models/load", json=body, timeout=60)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")
    assert BAD[name][1] in answer.json()["error"]["message"]
    assert say(system) == usual


def test_only_what_has_phonemes_is_spoken(system: System) -> None:
    """Pieces of a text are spoken by themselves: this one has a piece without any."""
    foreign = "Привет " * 40
    assert say(system, f"{TEXT} {foreign}") == say(system, TEXT)
    assert say(system, reference_text=foreign) == say(system)


def test_what_it_cannot_speak_is_told(system: System) -> None:
    answer = system.http.post("/v1/audio/speech", json={"input": "Привет, мир."}, timeout=60)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input")
    answer = system.http.post("/v1/audio/speech", json={"input": TEXT, "language": "fr"}, timeout=60)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "language")
    body = {"input": TEXT, "voice": "ann.wav", "reference_text": LONG[:1000]}
    answer = system.http.post("/v1/audio/speech", json=body, timeout=60)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "reference_text")


def test_it_ends_with_its_listener(system: System) -> None:
    body = {"input": LONG, "response_format": "mp3"}
    with system.http.stream("POST", "/v1/audio/speech", json=body, timeout=60) as answer:
        parts = answer.iter_raw()
        assert next(parts)
        job_id = answer.headers["x-request-id"]
        assert system.job(job_id)["status"] == "in_progress"
    assert outcome(system, job_id)["status"] == "cancelled"
    assert say(system, voice="ann")


def test_it_goes_on_where_the_worker_was_killed(system: System) -> None:
    text = " ".join(f"Sentence number {number} of a story about a fox." for number in range(8))
    whole = say(system, text, response_format="pcm")
    body = {"input": text, "seed": SEED, "response_format": "pcm"}
    with system.http.stream("POST", "/v1/audio/speech", json=body, timeout=100) as answer:
        parts = answer.iter_raw()
        heard = next(parts)
        system.kill_worker()
        system.start_worker()
        heard += b"".join(parts)
    assert heard == whole
