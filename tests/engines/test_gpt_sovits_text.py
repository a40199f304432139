"""Texts have the phonemes that GPT-SoVITS' own front end makes of them."""

# ruff: noqa: RUF001

import json
import re
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
GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parent / "golden" / "gpt_sovits_text.json").read_text("utf-8")
)
TABLE: list[dict[str, Any]] = GOLDEN["sentences"]
#: A sentence whose end the original takes for Japanese, and does not speak.
DIFFERENT = {
    "MyGO?,你也喜欢まいご吗？": [["en", "MyGO?,"], ["zh", "你也喜欢"], ["ja", "まいご"], ["zh", "吗？"]],
}


@pytest.fixture(scope="module")
def front_end(tmp_path_factory: pytest.TempPathFactory) -> FrontEnd:
    return FrontEnd(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def with_dictionary(tmp_path_factory: pytest.TempPathFactory) -> FrontEnd:
    """What knows the words of the sentences as the original does."""
    folder = tmp_path_factory.mktemp("dictionary")
    lines = [";;; # CMUdict  --  Major Version: 0.07", '"CLOSE-QUOTE  K L OW1 Z - K W OW1 T']
    for word, readings in GOLDEN["dictionary"].items():
        for number, reading in enumerate(readings.split(",")):
            lines.append(f"{word.upper()}({number})  {reading}" if number else f"{word.upper()}  {reading}")
    (folder / "cmudict.rep").write_text("\n".join(lines) + "\n")
    return FrontEnd(folder, folder / "cmudict.rep")


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
def test_english(row: dict[str, Any], with_dictionary: FrontEnd) -> None:
    assert said(with_dictionary, row["sentence"], "en") == row["phonemes"]


@pytest.mark.parametrize("row", rows("en"))
def test_english_without_a_dictionary(row: dict[str, Any], front_end: FrontEnd) -> None:
    """The dictionaries differ in the stress of some words, and in a vowel without stress now and then."""
    ours, theirs = said(front_end, row["sentence"], "en").split(), row["phonemes"].split()
    assert len(ours) == pytest.approx(len(theirs), abs=1)
    blocks = SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks()
    assert sum(block.size for block in blocks) >= len(theirs) - 3


@pytest.mark.parametrize("row", rows("auto"))
def test_several_languages(row: dict[str, Any], with_dictionary: FrontEnd) -> None:
    sentence = row["sentence"]
    parts = [[part.language, part.text] for part in split(sentence, None)]
    if sentence in DIFFERENT:
        assert parts == DIFFERENT[sentence] != row["parts"]
        return
    assert parts == row["parts"]
    # The original drops a Chinese comma after an English word, which is a pause here.
    assert said(with_dictionary, re.sub(r"(?<=[a-z])，", "", sentence), None) == row["phonemes"]
    assert said(with_dictionary, "Hello，你好", None).split()[4] == ","


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("It is 10:30 PM.", "It is 10 30 PM."),
        ("at 9:05 or 12:00", "at 9 oh 5 or 12 o'clock"),
        ("version 2.0, or 1.5", "version 2 point 0, or 1.5"),
        ("Nothing，but this。", "Nothing, but this."),
    ],
)
def test_nothing_of_an_english_text_is_lost(text: str, same: str, front_end: FrontEnd) -> None:
    assert said(front_end, text, "en") == said(front_end, same, "en")


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
        ("今日は安倍晋三、総理大臣。", None, [("ja", "今日は安倍晋三、総理大臣。")]),
        ("昨日 Tom を見た", None, [("ja", "昨日 "), ("en", "Tom "), ("ja", "を見た")]),
        ("おはよう、早上好。", None, [("ja", "おはよう、"), ("zh", "早上好。")]),
        ("ありがとう：不客气！", None, [("ja", "ありがとう："), ("zh", "不客气！")]),
        ("我喜欢まいご，你好。", None, [("zh", "我喜欢"), ("ja", "まいご，"), ("zh", "你好。")]),
        ("東京", "ja", [("ja", "東京")]),
        ("東京", None, [("zh", "東京")]),
        ("3 apples and 5个苹果", None, [("en", "3 apples and 5"), ("zh", "个苹果")]),
        ("学 AI 30分钟就够了", None, [("zh", "学 "), ("en", "AI "), ("zh", "30分钟就够了")]),
        ("I did it. 3个", "zh", [("en", "I did it. "), ("zh", "3个")]),
        ("東京タワー", None, [("ja", "東京タワー")]),
        ("一起去カラオケ", None, [("zh", "一起去"), ("ja", "カラオケ")]),
        ("生日快乐🎂2024", None, [("zh", "生日快乐"), ("en", "🎂"), ("zh", "2024")]),
        ("气温25°", None, [("zh", "气温25°")]),
        ("2024", "zh", [("zh", "2024")]),
        ("2024", None, [("en", "2024")]),
        ("Привет", None, [("zh", "Привет")]),
    ],
)
@pytest.mark.usefixtures("front_end")
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
