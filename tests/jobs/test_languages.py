"""Languages as clients write them."""

import pytest
from mlx_whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

from jobs.errors import InvalidRequest
from mlxq.media.languages import choose, language_tag


@pytest.mark.parametrize(
    ("said", "tag"),
    [
        (None, None),
        ("", None),
        (" ", None),
        ("auto", None),
        ("AUTO", None),
        ("und", None),
        ("en", "en"),
        ("EN", "en"),
        ("en_US", "en-US"),
        ("en-us", "en-US"),
        ("zh-Hans-CN", "zh-hans-CN"),
        ("English", "en"),
        ("DEUTSCH", "de"),
        ("español", "es"),
        ("日本語", "ja"),
        ("deu", "de"),
        ("cmn-Hans", "zh-hans"),
        ("nb-NO", "no-NO"),
        ("Klingon", "Klingon"),
        ("en-\n", "en-"),
    ],
)
def test_a_language_has_one_tag(said: str | None, tag: str | None) -> None:
    assert language_tag(said) == tag


def test_all_that_whisper_calls_a_language_is_known() -> None:
    assert {name: language_tag(name) for name in TO_LANGUAGE_CODE} == TO_LANGUAGE_CODE
    assert [language_tag(code) for code in LANGUAGES] == list(LANGUAGES)


def test_a_model_is_asked_in_its_own_words() -> None:
    kokoro, qwen = ("en", "en-US", "en-GB"), ("auto", "german", "english")
    assert [choose(each, kokoro) for each in ("en_us", "en-AU", "English", "EN-gb")] == [
        "en-US",
        "en",
        "en",
        "en-GB",
    ]
    assert [choose(each, qwen) for each in ("de", "de-AT", "Deutsch", "GERMAN")] == ["german"] * 4
    with pytest.raises(
        InvalidRequest, match=r"'fr' is none of the model's languages: auto, german, english\."
    ):
        choose("fr", qwen)
