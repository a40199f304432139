"""Texts have the phonemes that GPT-SoVITS' own front end makes of them."""

# ruff: noqa: RUF001

import json
from difflib import SequenceMatcher
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.errors import InvalidRequest
from worker.engines.tts.gpt_sovits.family import GptSoVITS
from worker.engines.tts.gpt_sovits.text.alphabet import SYMBOLS
from worker.engines.tts.gpt_sovits.text.front_end import FrontEnd
from worker.engines.tts.gpt_sovits.text.split import split

pytestmark = pytest.mark.filterwarnings("ignore:open_text is deprecated", r"ignore:Dictionary\.create")

#: tools/golden_gpt_sovits_text.py makes it.
TABLE: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "golden" / "gpt_sovits_text.json").read_text("utf-8")
)


@pytest.fixture(scope="module")
def front_end(tmp_path_factory: pytest.TempPathFactory) -> FrontEnd:
    return FrontEnd(tmp_path_factory.mktemp("cache"))


def rows(language: str) -> list[Any]:
    return [pytest.param(row, id=row["sentence"]) for row in TABLE if row["language"] == language]


def said(front_end: FrontEnd, text: str, language: str | None) -> str:
    parts = front_end(text, language)
    return " ".join(SYMBOLS[number] for part in parts for number in part.ids)


@pytest.mark.parametrize("row", rows("zh"))
def test_chinese(row: dict[str, Any], front_end: FrontEnd) -> None:
    (part,) = front_end(row["sentence"], "zh")
    assert part.text == row["text"]
    assert " ".join(SYMBOLS[number] for number in part.ids) == row["phonemes"]
    assert part.repeats == row["repeats"]


@pytest.mark.parametrize("row", rows("ja"))
def test_japanese(row: dict[str, Any], front_end: FrontEnd) -> None:
    assert said(front_end, row["sentence"], "ja") == row["phonemes"]


@pytest.mark.parametrize("row", rows("en"))
def test_english(row: dict[str, Any], front_end: FrontEnd) -> None:
    """The dictionaries differ in the stress of some words, and in a vowel without stress now and then."""
    ours, theirs = said(front_end, row["sentence"], "en").split(), row["phonemes"].split()
    assert len(ours) == pytest.approx(len(theirs), abs=1)
    blocks = SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks()
    assert sum(block.size for block in blocks) >= len(theirs) - 3


@pytest.mark.parametrize(
    ("text", "language", "parts"),
    [
        (
            "今天我们去看 Star Wars 电影。",
            None,
            [("zh", "今天我们去看 "), ("en", "Star Wars "), ("zh", "电影。")],
        ),
        (
            "MyGO?,你也喜欢まいご吗？",
            None,
            [("en", "MyGO?,"), ("zh", "你也喜欢"), ("ja", "まいご"), ("zh", "吗？")],
        ),
        (
            "ねえ、知ってる？最近、僕は天文学を勉強してるんだ。",
            None,
            [("ja", "ねえ、知ってる？最近、僕は天文学を勉強してるんだ。")],
        ),
        ("明日、東京大学で。", None, [("ja", "明日、東京大学で。")]),
        ("我喜欢まいご，你好。", None, [("zh", "我喜欢"), ("ja", "まいご，"), ("zh", "你好。")]),
        ("東京", "ja", [("ja", "東京")]),
        ("東京", None, [("zh", "東京")]),
        ("3 apples and 5个苹果", None, [("en", "3 apples and 5"), ("zh", "个苹果")]),
        ("2024", "zh", [("zh", "2024")]),
        ("2024", None, [("en", "2024")]),
        ("Привет", None, [("zh", "Привет")]),
    ],
)
def test_texts_are_cut_by_language(text: str, language: str | None, parts: list[tuple[str, str]]) -> None:
    assert [(part.language, part.text) for part in split(text, language)] == parts


def test_a_short_text_has_a_pause_before_it(front_end: FrontEnd) -> None:
    assert said(front_end, "好。", None) == ". h ao3 ."
    assert said(front_end, "Hi.", None).startswith(". ")


def test_nothing_is_said_of_other_scripts(front_end: FrontEnd) -> None:
    assert not front_end.knows("Привет, мир.")
    assert front_end.knows("好")
    assert front_end.knows("Привет, Tom.")


def test_japanese_is_an_extra(front_end: FrontEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(front_end.languages) == ["zh", "en", "ja"]
    monkeypatch.setattr("worker.engines.tts.gpt_sovits.text.japanese.find_spec", lambda name: None)
    assert list(front_end.languages) == ["zh", "en"]
    assert not front_end.knows("こんにちは。")
    with pytest.raises(InvalidRequest, match=r"mlxq\[japanese\]"):
        GptSoVITS(SimpleNamespace(front_end=front_end, generate=lambda: None), ()).check_text("こんにちは。")
