"""Long texts in pieces, cut where a speaker would breathe; which models speak, and with which voices."""

from pathlib import Path

import pytest

from mlxq.catalog.families.family import Candidate
from mlxq.catalog.families.speech import OPENAI_VOICES, SpeechFamily, own_voice
from mlxq.catalog.families.table import family_of
from worker.engines.tts.pieces import pieces, weight


@pytest.mark.parametrize(
    ("text", "longest", "expected"),
    [
        ("One. Two.", 20, ["One. Two."]),
        (" One.\nTwo. ", 20, ["One.\nTwo."]),
        ("One. Two. Three.", 10, ["One. Two.", "Three."]),
        ("First line\nsecond line", 12, ["First line", "second line"]),
        ("One, two, three, four.", 10, ["One, two,", "three,", "four."]),
        ("A word and another", 8, ["A word", "and", "another"]),
        ("abcdefgh", 3, ["ab", "cd", "ef", "gh"]),
        ("你好。再见。", 9, ["你好。", "再见。"]),
        ("你好。再见。", 18, ["你好。再见。"]),
        ("   ", 5, []),
    ],
)
def test_cuts_are_between_sentences_then_clauses_then_words(
    text: str, longest: int, expected: list[str]
) -> None:
    assert pieces(text, longest) == expected


def test_nothing_is_lost_and_nothing_is_too_long() -> None:
    text = "The quick fox, which is brown, jumps! Does it? 狐狸跳过了懒狗。Yes: over the lazy dog. " * 20
    parts = pieces(text, 60)
    assert all(0 < weight(part) <= 60 for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("config", "name", "expected"),
    [
        ({"model_type": "qwen3_tts"}, "any", "qwen3_tts"),
        ({"bigvgan": {}, "gpt": {}}, "any", "indextts"),
        ({"istftnet": {}, "plbert": {}}, "any", "kokoro"),
        ({"model_type": "llama"}, "org/orpheus-3b-0.1-ft-4bit", "llama"),
        ({"model_type": "llama"}, "org/Llama-3.2-1B", None),
        ({"model_type": "qwen3"}, "org/Qwen3-4B", None),
        ({"model_type": "whisper"}, "org/whisper-tiny", None),
    ],
)
def test_which_models_speak(
    config: dict[str, object], name: str, expected: str | None, tmp_path: Path
) -> None:
    family = family_of(Candidate(name, tmp_path, config))
    assert (family.type if isinstance(family, SpeechFamily) else None) == expected
    assert (family.category == "tts") is (expected is not None)


def test_openais_names_are_the_models_voices() -> None:
    kokoro = ("af_alloy", "af_heart", "am_echo")
    assert own_voice("Alloy", kokoro) == "af_alloy"
    assert own_voice("AF_Heart", kokoro) == "af_heart"
    assert own_voice("nobody", kokoro) is None
    assert own_voice("alloy", ()) is None
    assert {own_voice(name, ("ann", "bob")) for name in OPENAI_VOICES} == {"ann", "bob"}
