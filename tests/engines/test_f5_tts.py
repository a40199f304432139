"""F5-TTS of each kind of the hub's files says what its library says; what is missing is told by its name."""

from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import numpy.typing as npt
import pytest

from config.settings import Settings
from jobs.errors import InvalidRequest, ModelNotFound
from mlxq.catalog.families.f5_tts import DURATION, V0, V1, VOCODER, vocoder_of
from mlxq.catalog.installed import read_model
from tests.support.audio_samples import hum, samples_of
from tests.support.f5_tts import random_f5_tts, random_vocoder, sample_directly
from worker.engines.tts.f5_tts import F5TTS
from worker.engines.tts.f5_tts.loading import load
from worker.engines.tts.f5_tts.model import STEPS, Model
from worker.engines.tts.mlx_audio import SpeechParams

TEXT, TRANSCRIPT, SEED = "Hello, it is me.", "Hum ni hao.", 7
VOICE = hum(200, seconds=1, rate=24_000)


@pytest.fixture(scope="module")
def vocoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_vocoder(tmp_path_factory.mktemp("roots") / VOCODER)


def speak(model: Model) -> npt.NDArray[np.float32]:
    """By steps that bring no sound yet, and the sound."""
    mx.random.seed(SEED)
    sounds = list(model.generate(TEXT, mx.array(samples_of(VOICE).astype(np.float32)), TRANSCRIPT))
    assert [sound.audio.size > 0 for sound in sounds] == [False] * (STEPS - 1) + [True]
    return np.array(sounds[-1].audio)


@pytest.mark.parametrize("name", [V1[0], V1[2], V0[0]])
def test_it_says_what_the_library_says(
    name: str, vocoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = random_f5_tts(tmp_path / "f5", name)
    found = read_model(folder, "f5")
    assert found is not None
    assert (found.model_type, found.category) == ("f5_tts", "tts")
    ours = speak(load(folder, vocoder, tmp_path))
    theirs = sample_directly(folder, vocoder, TEXT, VOICE, TRANSCRIPT, SEED, monkeypatch)
    assert ours.shape == theirs.shape
    assert len(ours) / 24_000 == pytest.approx(1, abs=0.2)
    assert np.abs(ours).max() > 0.01
    assert np.abs(ours - theirs).max() < 1e-4


def test_without_a_predictor_the_pace_is_the_recordings(vocoder: Path, tmp_path: Path) -> None:
    folder = random_f5_tts(tmp_path / "f5")
    (folder / DURATION).unlink()
    said = speak(load(folder, vocoder, tmp_path))
    assert len(said) / 24_000 == pytest.approx(len(TEXT) / len(TRANSCRIPT), abs=0.1)


def test_the_vocoder_is_found_where_models_lie(vocoder: Path, tmp_path: Path) -> None:
    model, nowhere = tmp_path / "models" / "f5", tmp_path / "nowhere"
    assert vocoder_of(model, (nowhere,), nowhere) is None
    assert vocoder_of(vocoder.parent / "f5", (), nowhere) == vocoder
    assert vocoder_of(model, (vocoder.parent.parent,), nowhere) == vocoder
    cached = tmp_path / "hub" / "models--lucasnewman--vocos-mel-24khz"
    snapshot = random_vocoder(cached / "snapshots" / "abc")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    assert vocoder_of(model, (nowhere,), tmp_path / "hub") == snapshot


def test_what_is_missing_is_told(vocoder: Path, tmp_path: Path) -> None:
    folder = random_f5_tts(tmp_path / "models" / "f5")

    def loaded(root: Path) -> None:
        given: dict[str, Any] = {"MODEL_ROOTS": (root,), "MLXQ_DATA_DIR": tmp_path, "HF_HUB_CACHE": tmp_path}
        F5TTS.load(folder, "f5_tts", Settings(**given))

    with pytest.raises(ModelNotFound, match=VOCODER):
        loaded(tmp_path)
    weights: Any = mx.load(str(folder / V1[0]))
    del weights["ema_model.transformer.proj_out.bias"]
    mx.save_safetensors(str(folder / V1[0]), weights)
    with pytest.raises(InvalidRequest, match=r"proj_out\.bias"):
        loaded(vocoder.parent.parent)
    weights = mx.load(str(vocoder / "model.safetensors"))
    kept = dict(weights)
    del weights["backbone.norm.weight"]
    mx.save_safetensors(str(vocoder / "model.safetensors"), weights)
    try:
        with pytest.raises(InvalidRequest, match=r"backbone\.norm\.weight"):
            loaded(vocoder.parent.parent)
    finally:
        mx.save_safetensors(str(vocoder / "model.safetensors"), kept)


def test_a_voice_is_short_and_its_words_are_known(vocoder: Path, tmp_path: Path) -> None:
    family = F5TTS(load(random_f5_tts(tmp_path / "f5"), vocoder, tmp_path), ())
    (tmp_path / "voice.wav").write_bytes(hum(seconds=31, rate=8_000))
    with pytest.raises(InvalidRequest, match="reference_text"):
        family.arguments(SpeechParams(recording=tmp_path / "voice.wav"))
    with pytest.raises(InvalidRequest, match="takes up to 30"):
        family.arguments(SpeechParams(recording=tmp_path / "voice.wav", transcript="Hum."))
