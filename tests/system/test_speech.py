"""Speech through HTTP: random models say, sample for sample, what mlx-audio says with the same seed."""

import base64
import contextlib
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from mlx import core as mx
from mlx_audio.tts.utils import load as load_directly
from websockets.sync.client import connect

from mlxq.catalog.families.f5_tts import F5_TTS, VOCODER
from mlxq.catalog.families.gpt_sovits import GPT_SOVITS
from mlxq.catalog.families.speech import SpeechFamily
from mlxq.catalog.families.system_voice import SYSTEM_VOICE
from mlxq.catalog.families.table import families
from mlxq.media.formats import SPEECH_TYPES
from tests.support.audio_samples import hum, samples_of, seconds_of, stereo
from tests.support.checkpoints import random_qwen3
from tests.support.f5_tts import random_f5_tts, random_vocoder, sample_directly
from tests.support.kokoro import random_kokoro
from tests.support.stories import outcome
from tests.support.system import System
from tests.support.tts_checkpoints import random_indextts, random_qwen3_tts, with_its_tokenizer

TEXT = "Hello."
SEED = 11
#: Tokens that the default model makes, and seconds of each.
TOKENS, TOKEN = 16, 0.08
#: Longer than any test waits, by far more than a busy machine is late.
LONG = "This is a long story about a fox. " * 1000


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models: `say` has a random voice or a recording's, `clone` takes a transcript too, `cast` has speakers."""
    root = tmp_path_factory.mktemp("models")
    random_qwen3_tts(root / "say", tokens=TOKENS, seed=1)
    random_qwen3_tts(root / "clone", tokens=4, groups=16, seed=2)
    random_qwen3_tts(root / "cast", "custom_voice", seed=3)
    random_qwen3_tts(root / "design", "voice_design", seed=4)
    random_indextts(root / "index", positions=40)
    random_f5_tts(root / "f5", seed=6)
    # Longer than the recording that the library brings along.
    random_f5_tts(root / "f5-long", seconds=5.8, seed=7)
    random_vocoder(root / VOCODER)
    random_qwen3(root / "chat", seed=1)
    return root


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices")
    for name, pitch in (("ann", 330), ("bob", 90)):
        (folder / f"{name}.wav").write_bytes(hum(pitch))
    entries = {
        "ann": {"ref_audio": "ann.wav", "aliases": ["Anna"]},
        "bob": {"ref_audio": "bob.wav", "speed_factor": 2},
    }
    (folder / "voices.json").write_text(json.dumps({"voices": entries}))
    return folder


@pytest.fixture(scope="module")
def system(root: Path, voices: Path) -> Iterator[System]:
    running = System(
        root, "chat", TTS_MODEL=root / "say", VOICES_DIR=voices, MAX_SPEECH_CHARACTERS=2 * len(LONG)
    )
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(scope="module")
def client(system: System) -> openai.OpenAI:
    return system.openai(timeout=100)


def say(system: System, text: str = TEXT, **fields: Any) -> bytes:
    body = {"input": text, "seed": SEED, **fields}
    answer = system.http.post("/v1/audio/speech", json=body, timeout=100)
    assert answer.status_code == 200, answer.text
    return answer.content


def by_the_library(folder: Path, **arguments: Any) -> Any:
    """What mlx-audio says by itself, in 16 bits."""
    with contextlib.redirect_stdout(None):
        model: Any = load_directly(folder)
    mx.random.seed(SEED)
    results = model.generate(text=TEXT, stream=True, streaming_interval=0.4, **arguments)
    return np.concatenate([np.array(result.audio) for result in results])


def same(ours: bytes, theirs: Any) -> bool:
    heard = samples_of(ours)
    assert np.abs(heard).max() > 0.01
    return heard.shape == theirs.shape and bool(np.abs(heard - np.clip(theirs, -1, 1)).max() < 1e-4)


def test_it_says_what_the_library_says(client: openai.OpenAI, root: Path) -> None:
    answer = client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT, extra_body={"seed": SEED})
    assert same(answer.content, by_the_library(root / "say"))


def test_a_speaker_with_instructions(client: openai.OpenAI, root: Path) -> None:
    answer = client.audio.speech.create(
        model="cast",
        voice="Ryan",
        input=TEXT,
        instructions="Happy.",
        extra_body={"seed": SEED, "language": "en"},
    )
    expected = by_the_library(root / "cast", voice="ryan", instruct="Happy.", lang_code="english")
    assert same(answer.content, expected)


def test_a_voice_that_is_described(system: System, root: Path) -> None:
    ours = say(system, model="design", instruct="A deep voice.")
    assert same(ours, by_the_library(root / "design", instruct="A deep voice."))
    answer = system.http.post("/v1/audio/speech", json={"input": TEXT, "model": "design"}, timeout=60)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "instructions")


@pytest.mark.parametrize("model", ["say", "clone", "index"])
def test_a_recording_gives_the_voice(model: str, system: System, root: Path, tmp_path: Path) -> None:
    """Of 24 kHz, so that it reaches the model as it is."""
    recording = hum(200, rate=24_000)
    (tmp_path / "voice.wav").write_bytes(recording)
    transcript = {"reference_text": "Hum."} if model == "clone" else {}
    ours = say(system, model=model, reference_audio=base64.b64encode(recording).decode(), **transcript)
    arguments: dict[str, Any] = {
        "ref_audio": str(tmp_path / "voice.wav"),
        "ref_text": transcript.get("reference_text"),
    }
    folder = root / model
    if model == "index":
        folder = with_its_tokenizer(folder, tmp_path / "indextts")
        # What is left of its positions: 8 are of the voice, 7 of the text, 3 are signs.
        arguments["max_tokens"] = 40 - 8 - 7 - 3
    assert same(ours, by_the_library(folder, **arguments))
    other = say(system, model=model, reference_audio=base64.b64encode(hum(90)).decode(), **transcript)
    assert ours != other


def test_f5_tts_says_what_its_library_says(
    client: openai.OpenAI, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = hum(200, seconds=1, rate=24_000)

    def speak(voice: bytes) -> bytes:
        sent = {"reference_audio": base64.b64encode(voice).decode(), "reference_text": "Hum.", "seed": SEED}
        return client.audio.speech.create(model="f5", voice="alloy", input=TEXT, extra_body=sent).content

    ours = speak(recording)
    assert same(
        ours, sample_directly(root / "f5", root / VOCODER, TEXT, recording, "Hum.", SEED, monkeypatch)
    )
    assert ours == speak(recording)
    assert ours != speak(hum(90, seconds=1, rate=24_000))


def test_f5_tts_has_a_voice_and_needs_the_words_of_others(system: System) -> None:
    own = seconds_of(say(system, model="f5-long"), "wav")
    assert own == pytest.approx(5.8 - 5.33, abs=0.1)
    answer = system.http.post(
        "/v1/audio/speech", json={"input": TEXT, "model": "f5", "voice": "ann"}, timeout=60
    )
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "reference_text")


@pytest.mark.slow
def test_kokoro_says_what_its_library_says_of_its_phonemes(client: openai.OpenAI, root: Path) -> None:
    folder = random_kokoro(root / "kokoro", "af_alloy", "zf_xiaoxiao", seed=8)
    answer = client.audio.speech.create(model="kokoro", voice="alloy", input="Hi.", extra_body={"seed": SEED})
    with contextlib.redirect_stdout(None):
        model: Any = load_directly(folder)
    phonemes = "h\u02c8I."
    voice: Any = mx.load(str(folder / "voices" / "af_alloy.safetensors"))
    mx.random.seed(SEED)
    assert same(answer.content, np.array(model(phonemes, voice["voice"][len(phonemes) - 1])[0]))
    with pytest.raises(openai.BadRequestError, match="English"):
        client.audio.speech.create(model="kokoro", voice="zf_xiaoxiao", input="Hi.")


def test_a_voice_of_the_registry_is_its_recording(system: System, voices: Path) -> None:
    ann = say(system, voice="anna")
    assert ann == say(system, voice="ann.wav")
    assert ann == say(system, reference_audio=base64.b64encode((voices / "ann.wav").read_bytes()).decode())


def test_a_recording_may_have_two_channels(system: System, voices: Path) -> None:
    both = base64.b64encode(stereo((voices / "ann.wav").read_bytes())).decode()
    assert np.abs(samples_of(say(system, reference_audio=both))).max() > 0.01


def test_a_model_that_needs_a_recording_says_so(system: System) -> None:
    answer = system.http.post("/v1/audio/speech", json={"input": TEXT, "model": "index"}, timeout=60)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "voice")
    answer = system.http.post(
        "/v1/audio/speech", json={"input": TEXT, "model": "cast", "voice": "ann"}, timeout=60
    )
    assert answer.status_code == 400
    assert "'custom_voice'" in answer.json()["error"]["message"]
    answer = system.http.post("/v1/audio/speech", json={"input": TEXT, "model": "cast", "language": "elvish"})
    assert answer.json()["error"]["param"] == "language"


def test_the_same_seed_says_the_same(system: System) -> None:
    assert say(system, seed=3) == (again := say(system, seed=3))
    assert say(system, seed=4) != again


def test_six_formats_of_the_same_length(system: System) -> None:
    files = {form: say(system, speed=0.25, response_format=form) for form in SPEECH_TYPES}
    seconds = {form: seconds_of(file, form) for form, file in files.items()}
    assert seconds["wav"] == pytest.approx(4 * TOKENS * TOKEN, rel=0.05)
    assert seconds == pytest.approx(dict.fromkeys(seconds, seconds["wav"]), rel=0.02)


def test_a_stream_is_the_file(system: System) -> None:
    whole = say(system)
    streamed = say(system, stream_format="audio")
    assert streamed[44:] == whole[44:]
    assert (samples_of(streamed) == samples_of(whole)).all()
    events = [
        json.loads(line[6:])
        for line in say(system, stream_format="sse").decode().split("\n\n")
        if "data" in line
    ]
    assert b"".join(base64.b64decode(event["audio"]) for event in events[:-1]) == streamed
    assert len(events) > 3
    assert events[-1]["usage"] == {"input_tokens": 6, "output_tokens": TOKENS, "total_tokens": 6 + TOKENS}


def test_speed_is_applied(system: System) -> None:
    usual = len(samples_of(say(system)))
    assert len(samples_of(say(system, speed=2))) == pytest.approx(usual / 2, rel=0.05)
    assert len(samples_of(say(system, voice="bob", speed=0.5))) == pytest.approx(usual, rel=0.05)


def test_a_long_text_is_heard_while_it_is_made_and_ends_with_its_listener(system: System) -> None:
    body = {"input": LONG, "response_format": "mp3"}
    with system.http.stream("POST", "/v1/audio/speech", json=body, timeout=60) as answer:
        # An iterator that nobody holds closes its response.
        parts = answer.iter_raw()
        assert next(parts)
        job_id = answer.headers["x-request-id"]
        assert system.job(job_id)["status"] == "in_progress"
    assert outcome(system, job_id)["status"] == "cancelled"
    assert say(system, model="say")


def test_a_chat_goes_on_beside_it(system: System, client: openai.OpenAI) -> None:
    job_id = system.http.post("/v1/audio/speech", json={"input": LONG, "background": True}).json()["id"]
    system.wait_until(lambda: system.job(job_id)["status"] == "in_progress", "it does not start")
    answer = client.chat.completions.create(
        model="chat", messages=[{"role": "user", "content": "Hi"}], max_tokens=8
    )
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
    assert system.job(job_id)["status"] == "in_progress"
    system.http.delete(f"/v1/jobs/{job_id}").raise_for_status()
    assert outcome(system, job_id)["status"] == "cancelled"


def test_two_voices_on_one_connection(system: System) -> None:
    with connect(f"ws://127.0.0.1:{system.port}/ws/v1/tts") as socket:
        socket.recv(60)

        def hear(**fields: Any) -> bytes:
            socket.send(json.dumps({"event": "task_continue", "text": TEXT, "seed": SEED, **fields}))
            parts = []
            while not (message := json.loads(socket.recv(60)))["is_final"]:
                parts.append(bytes.fromhex(message["data"]["audio"]))
            return b"".join(parts)

        ann, bob = hear(voice_id="ann"), hear(voice_id="bob", speed=0.5)
    assert ann == say(system, voice="ann", response_format="pcm")
    assert bob == say(system, voice="bob", speed=0.5, response_format="pcm")
    assert ann != bob


def test_a_job_in_the_background_leaves_its_file(system: System) -> None:
    job_id = system.http.post(
        "/v1/audio/speech", json={"input": TEXT, "seed": SEED}, headers={"prefer": "respond-async"}
    ).json()["id"]
    result = outcome(system, job_id)["result"]
    assert result["duration"] == pytest.approx(TOKENS * TOKEN)
    assert system.http.get(result["url"]).content == say(system)


def test_what_is_not_installed_says_how(system: System) -> None:
    answer = system.http.post("/v1/audio/speech", json={"input": TEXT, "model": "gpt-sovits"}, timeout=60)
    assert answer.status_code == 404, answer.text
    assert "`mlxq convert gpt-sovits`" in answer.json()["error"]["message"]
    assert "Qwen3-TTS" in answer.json()["error"]["message"]


def test_the_catalog_knows_the_librarys_types() -> None:
    from mlx_audio.registry import supported_model_types

    assert supported_model_types("tts") - {"dense"} == {family.type for family in by_mlx_audio()}


def by_mlx_audio() -> list[SpeechFamily]:
    others = (F5_TTS, GPT_SOVITS, SYSTEM_VOICE)
    return [family for family in families(SpeechFamily) if family not in others]


def test_what_models_listen_to_is_what_their_library_takes() -> None:
    from mlx_audio.tts.utils import get_model_and_args

    names = {
        "reference_text": {"ref_text"},
        "language": {"lang_code", "language", "lang"},
        "instructions": {"instruct"},
    }
    taken: dict[str, set[str]] = {name: set() for name in names}
    rows = {family.name: family for family in by_mlx_audio() if family.type == family.name}
    for kind in rows.keys() - {"spark"}:  # its library is not installed
        parameters = inspect.signature(get_model_and_args(kind, [])[0].Model.generate).parameters
        for name, theirs in names.items():
            if theirs & parameters.keys():
                taken[name].add(kind)
    assert taken == {name: {kind for kind, row in rows.items() if name in row.options} for name in names}
