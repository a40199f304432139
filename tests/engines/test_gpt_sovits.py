"""GPT-SoVITS' networks answer what the original's answer, from files of the original's layout and of OminiX'."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jobs.errors import NotSupported
from tests.support.gpt_sovits_checkpoint import TINY, gpt_sovits_checkpoint, ominix_layout, sound
from worker.engines.tts.gpt_sovits.loading import load
from worker.engines.tts.gpt_sovits.model import Model, Recording
from worker.engines.tts.gpt_sovits.style import spectrogram
from worker.engines.tts.gpt_sovits.t2s import Reading, Sampling, filtered, penalised
from worker.engines.tts.gpt_sovits.text import Phonemes

#: tools/golden_gpt_sovits.py makes it.
GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "gpt_sovits.json").read_text("utf-8"))
SEED: int = GOLDEN["seed"]
GREEDY = Sampling(top_k=1)
ROWS, STRIDE = [0, 7, 19], 37


def front_end(text: str, language: str | None) -> list[Phonemes]:
    """The golden phonemes: a Chinese part and another one for the transcript, others for the text."""
    if text != "transcript":
        return [Phonemes(GOLDEN["text"], text)] if text == "text" else []
    chinese = sum(GOLDEN["repeats"])
    return [
        Phonemes(GOLDEN["transcript"][:chinese], GOLDEN["characters"], GOLDEN["repeats"]),
        Phonemes(GOLDEN["transcript"][chinese:], text),
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gpt_sovits_checkpoint(tmp_path_factory.mktemp("models") / "voice", SEED)


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load(folder, front_end)


def recording() -> Recording:
    return Recording(_sound(16_000), _sound(32_000), "sound")


def _sound(rate: int) -> mx.array:
    return mx.array(sound(GOLDEN["seconds"], rate, SEED))


def close(numbers: Any, expected: Any, tolerance: float = 1e-4) -> None:
    found = np.array(numbers)
    np.testing.assert_allclose(found, np.array(expected).reshape(found.shape), rtol=0, atol=tolerance)


def test_a_recording_is_heard_as_by_the_original(model: Model) -> None:
    heard = recording()
    magnitudes = spectrogram(heard.loud_samples)
    close(magnitudes[::23, ::97], GOLDEN["magnitudes"], 1e-3)
    close(model.sovits.voice(magnitudes), GOLDEN["voice"])
    silence = mx.zeros(9600)
    close(model.hubert(mx.concatenate([heard.samples, silence]))[::31, ::5], GOLDEN["heard"])
    assert model.prompt(heard.samples).tolist() == GOLDEN["prompt"]


def test_chinese_characters_have_the_originals_features(model: Model) -> None:
    close(model.bert(GOLDEN["characters"], GOLDEN["repeats"])[:, ::5], GOLDEN["told"])


def test_text_is_continued_as_by_the_original(model: Model) -> None:
    transcript, text = model.said("transcript", None), model.said("text", None)
    phonemes = mx.concatenate([transcript.phonemes, text.phonemes])
    features = mx.concatenate([transcript.features, text.features])
    prompt = mx.array(GOLDEN["prompt"])
    reading = Reading(model.t2s, phonemes, features, prompt)
    close(reading.logits[:-1][::19], GOLDEN["logits"][0])
    for number, code in enumerate(GOLDEN["cloned"][:-1]):
        reading.hear(code)
        if number == 0:
            close(reading.logits[:-1][::19], GOLDEN["logits"][1])
    close(reading.logits[::19], GOLDEN["logits"][2])
    cloned = model.t2s.codes(phonemes, features, prompt, GREEDY)
    assert list(islice(cloned, len(GOLDEN["cloned"]))) == GOLDEN["cloned"]
    free = model.t2s.codes(text.phonemes, text.features, None, GREEDY)
    assert list(islice(free, len(GOLDEN["free"]))) == GOLDEN["free"]


@pytest.mark.parametrize("drawn", GOLDEN["sampled"], ids=lambda drawn: str(drawn["settings"]))
def test_codes_have_the_originals_chances(drawn: dict[str, Any], model: Model) -> None:
    top_k, top_p, temperature, penalty = drawn["settings"]
    transcript, text = model.said("transcript", None), model.said("text", None)
    reading = Reading(
        model.t2s,
        mx.concatenate([transcript.phonemes, text.phonemes]),
        mx.concatenate([transcript.features, text.features]),
        mx.array(GOLDEN["prompt"]),
    )
    heard = mx.zeros(1025, mx.bool_)
    for code in GOLDEN["cloned"][:12]:
        reading.hear(code)
        heard[code] = True
    logits = penalised(reading.logits, heard, penalty)
    chances = np.array(mx.softmax(filtered(logits, Sampling(top_k, top_p, temperature))))
    likely = chances.nonzero()[0]
    assert likely.tolist()[:60] == drawn["codes"]
    close(chances[likely][:60], drawn["chances"])


def test_codes_sound_as_by_the_original(model: Model) -> None:
    codes, phonemes = mx.array(GOLDEN["cloned"]), mx.array(GOLDEN["text"])
    voice = model.sovits.voice(spectrogram(recording().loud_samples))
    content = mx.repeat(model.sovits.codebook[codes], 2, axis=0)
    means, deviations = model.sovits.enc_p(content, phonemes, voice, 1)
    close(means[mx.array(ROWS)], GOLDEN["means"])
    close(deviations[mx.array(ROWS)], GOLDEN["deviations"])
    close(model.sovits.flow.back(means, voice)[mx.array(ROWS)], GOLDEN["back"])


@pytest.mark.parametrize("speed", GOLDEN["samples"])
def test_the_whole_sounds_as_by_the_original(
    speed: str, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noise(shape: tuple[int, int]) -> mx.array:
        return mx.array(np.random.RandomState(SEED).standard_normal(shape).astype(np.float32))

    monkeypatch.setattr(mx.random, "normal", noise)
    monkeypatch.setattr("worker.engines.tts.gpt_sovits.t2s.LONGEST", len(GOLDEN["cloned"]))
    chunks = list(model.generate("text", recording(), "transcript", None, float(speed), GREEDY))
    assert [chunk.audio.size > 0 for chunk in chunks] == [False, False, True]
    assert chunks[-1].token_count == len(GOLDEN["cloned"])
    spoken, silence = chunks[-1].audio[:-9600], chunks[-1].audio[-9600:]
    assert np.abs(np.array(spoken)).max() > 0.05
    assert not np.array(silence).any()
    close(spoken[::STRIDE], GOLDEN["samples"][speed], 1e-3)


def test_a_recording_is_heard_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(folder, front_end)
    heard: list[mx.array] = []
    prompt = model.prompt

    def count(samples: mx.array) -> mx.array:
        heard.append(samples)
        return prompt(samples)

    monkeypatch.setattr(model, "prompt", count)
    monkeypatch.setattr("worker.engines.tts.gpt_sovits.t2s.LONGEST", 12)

    def say(seconds: float, transcript: str | None) -> bytes:
        mx.random.seed(SEED)
        samples, loud = (mx.array(sound(seconds, rate, SEED)) for rate in (16_000, 32_000))
        chunks = model.generate("text", Recording(samples, loud, str(seconds)), transcript)
        return b"".join(np.array(chunk.audio).tobytes() for chunk in chunks)

    first = say(3, "transcript")
    assert say(3, "transcript") == first
    assert len(heard) == 1
    assert say(3, None) != first != say(3.5, "transcript")
    assert len(heard) == 2


def test_what_has_no_phonemes_is_left_out(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.engines.tts.gpt_sovits.t2s.LONGEST", 12)

    def say(text: str, transcript: str | None) -> list[bytes]:
        mx.random.seed(SEED)
        chunks = model.generate(text, recording(), transcript)
        return [np.array(chunk.audio).tobytes() for chunk in chunks]

    assert say("text", "Привет") == say("text", None) != say("text", "transcript")
    assert say("Привет", None) == []


def test_the_layout_of_ominix_is_read(folder: Path, tmp_path: Path, model: Model) -> None:
    theirs = load(ominix_layout(folder, tmp_path / "ominix"), front_end)
    said = model.said("text", None)
    codes = [
        islice(each.t2s.codes(said.phonemes, said.features, None, GREEDY), 8) for each in (model, theirs)
    ]
    assert list(codes[0]) == list(codes[1])
    heard = recording()
    assert theirs.prompt(heard.samples).tolist() == GOLDEN["prompt"]


@pytest.mark.parametrize(
    ("name", "version"), [("sv_emb.weight", "v2Pro"), ("cfm.estimator.weight", "v3 or v4")]
)
def test_other_versions_are_named(name: str, version: str, folder: Path, tmp_path: Path) -> None:
    other = ominix_layout(folder, tmp_path / "other")
    file = other / "doubao_mixed_sovits_new.safetensors"
    save_file({**load_file(file), name: np.zeros((2, 2), np.float32)}, file)
    with pytest.raises(NotSupported, match=version):
        load(other, front_end)


def test_missing_tensors_are_named(folder: Path, tmp_path: Path) -> None:
    broken = ominix_layout(folder, tmp_path / "broken")
    file = broken / "doubao_mixed_sovits_new.safetensors"
    tensors = load_file(file)
    del tensors["dec.conv_pre.bias"]
    save_file(tensors, file)
    with pytest.raises(ValueError, match=r"dec\.conv_pre\.bias"):
        load(broken, front_end)


def test_sizes_are_those_of_the_file(model: Model) -> None:
    assert model.t2s.features == TINY.text
    assert len(model.t2s.layers) == TINY.layers
    assert len(model.sovits.enc_p.encoder_text.attn_layers) == TINY.encoder_layers
