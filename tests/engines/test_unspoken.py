"""Texts that a family can't speak: it says so, and makes no sound of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from jobs.errors import InvalidRequest
from mlxq.catalog import ModelRef
from mlxq.catalog.families.f5_tts import VOCODER
from tests.support.f5_tts import random_f5_tts, random_vocoder
from tests.support.kokoro import random_kokoro
from tests.support.payloads import typed
from tests.support.tts_checkpoints import random_indextts, random_qwen3_tts, sentencepiece_tokenizer
from worker.engines.base import Done, Failed, Output
from worker.engines.tts.loading import kind_of, load
from worker.engines.tts.speech import SpeechEngine


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[[Path], SpeechEngine]:
    def loaded(folder: Path) -> SpeechEngine:
        random_vocoder(tmp_path / VOCODER)
        settings = Settings.model_validate({"model_roots": (tmp_path,), "data_dir": tmp_path / "data"})
        ref = ModelRef(folder.name, folder)
        return load(ref, folder, kind_of(ref, folder), settings)

    return loaded


@pytest.mark.filterwarnings("ignore:open_text is deprecated")
@pytest.mark.parametrize(
    ("make", "words"),
    [(lambda path: random_kokoro(path, "af_heart"), "Latin"), (random_f5_tts, "English and Chinese")],
    ids=["kokoro", "f5-tts"],
)
def test_a_script_that_a_family_does_not_know(
    make: Callable[[Path], Path], words: str, loaded: Callable[[Path], SpeechEngine], tmp_path: Path
) -> None:
    engine = loaded(make(tmp_path / "models" / "one"))
    for text in ("Привет", "שלום.", "🎉 ὦ"):
        with pytest.raises(InvalidRequest, match=words) as refused:
            engine.add("a", typed({"input": text, "format": "wav"}), 1)
        assert (refused.value.status, refused.value.param) == (400, "input")
    engine.add("b", typed({"input": "Hi, Привет", "format": "wav"}), 1)
    assert engine.step() is not None
    engine.close()


def test_index_tts_refuses_what_it_has_no_signs_for(
    loaded: Callable[[Path], SpeechEngine], tmp_path: Path
) -> None:
    folder = random_indextts(tmp_path / "models" / "index", positions=40)
    sentencepiece_tokenizer(folder / "tokenizer.model", byte_fallback=False)
    engine = loaded(folder)
    with pytest.raises(InvalidRequest, match="no signs"):
        engine.add("a", typed({"input": "Привет", "format": "wav"}), 1)
    with pytest.raises(InvalidRequest, match="voice of a recording"):  # the text is none to refuse
        engine.add("a", typed({"input": "Hello, Привет", "format": "wav"}), 1)
    engine.close()


def test_a_text_that_no_sound_comes_of_is_the_texts_fault(
    loaded: Callable[[Path], SpeechEngine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which languages a model of mlx-audio speaks, its library does not tell."""
    engine = loaded(random_qwen3_tts(tmp_path / "models" / "say"))
    family: Any = engine._family
    monkeypatch.setattr(family, "speak", lambda text, arguments: iter(()))
    engine.add("a", typed({"input": "Hello.", "format": "mp3", "stream": True}), 1)
    (failed,) = engine.step()
    assert isinstance(failed, Failed)
    assert (failed.error.status, failed.error.param) == (400, "input")
    engine.close()


def test_what_has_no_words_between_others_is_left_out(
    loaded: Callable[[Path], SpeechEngine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = loaded(random_qwen3_tts(tmp_path / "models" / "say", tokens=2))
    family: Any = engine._family
    said: list[str] = []
    speak = family.speak

    def listen(text: str, arguments: dict[str, Any]) -> Any:
        said.append(text)
        return speak(text, arguments)

    monkeypatch.setattr(family, "speak", listen)
    engine.add("a", typed({"input": "Good day. " * 40 + "\n" + "* " * 400 + "\nBye.", "format": "wav"}), 1)
    outputs: list[Output] = []
    while not outputs or not isinstance(outputs[-1], Done):
        outputs += engine.step()
    assert len(said) > 1
    assert all(any(sign.isalpha() for sign in text) for text in said)
    engine.close()
