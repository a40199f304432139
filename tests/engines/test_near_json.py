"""JSON as models write it becomes JSON, in pieces of any size; JSON stays what it is."""

# ruff: noqa: E501 (what is written stands on one line)

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.written import splits
from worker.engines.llm.formats.near_json import NearJson, read_all
from worker.engines.llm.formats.source import Source

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
NEARLY: list[tuple[str, Any]] = [
    ('{"a": "x\ny\tz\r\x01"}', {"a": "x\ny\tz\r\x01"}),
    (r'{"re": "\d+\.\w", "path": "C:\dir"}', {"re": r"\d+\.\w", "path": r"C:\dir"}),
    (r'{"a": "\u00e9\x41\u12"}', {"a": "éA\\u12"}),
    ('{"a": "say "hi", then go", "b": 1}', {"a": 'say "hi", then go', "b": 1}),
    ("{'a': 'it's', 'b': 'x\"y'}", {"a": "it's", "b": 'x"y'}),
    ('{"a": """x"\ny""", "b": 2}', {"a": 'x"\ny', "b": 2}),
    ("{'a': True, 'b': False, 'c': None, 'd': (1, 2)}", {"a": True, "b": False, "c": None, "d": [1, 2]}),
    ("{a: 1, b_c: two words, d: -.5, e: 0x10, f: 1_000, g: +2}", {"a": 1, "b_c": "two words", "d": -0.5, "e": 16, "f": 1000, "g": 2}),
    ('{"a": [1, 2,], "b": {"c": 1,},}', {"a": [1, 2], "b": {"c": 1}}),
    ('{"a": [1 2], "b": 1\n"c": 2}', {"a": [1, 2], "b": 1, "c": 2}),
    ('{"a": NaN, "b": -Infinity, "c":}', {"a": None, "b": None, "c": None}),
    ('{"a": [{"b": 1}', {"a": [{"b": 1}]}),
    ('{"a": [1, 2}', {"a": [1, 2]}),
    ('{"a": 1, ', {"a": 1}),
]  # fmt: skip
UNREADABLE = ["", "{", "<b>", "{1 2}", '{"a": <b>}', '{"a": "x', "]", '{"a" 1}']


def copied(pieces: list[str], *, cut: bool = False) -> tuple[bool, str]:
    source, written = Source(), list[str]()
    reader = NearJson(source, written.append).value()
    try:
        for piece in [*pieces, None]:
            source.text += piece or ""
            source.ended, source.cut = piece is None, piece is None and cut
            next(reader)
    except StopIteration as end:
        return bool(end.value), "".join(written)
    raise AssertionError("it waits for text that will not come")


@settings(max_examples=80, derandomize=True, deadline=None, database=None)
@given(VALUES.map(lambda value: [value]), st.sampled_from([None, 1, "\t"]), st.booleans(), st.integers(1, 9))
def test_json_stays_what_it_is(value: Any, indent: Any, ascii_: bool, size: int) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_)
    whole, written = copied([text[at : at + size] for at in range(0, len(text), size)])
    assert whole
    assert json.loads(written) == value
    if indent is None:
        assert written == text


@pytest.mark.parametrize(("text", "value"), NEARLY, ids=[text[:30] for text, _ in NEARLY])
def test_what_is_nearly_json_is_read(text: str, value: Any) -> None:
    assert read_all(text) == value
    for pieces in splits(text):
        assert json.loads(copied(pieces)[1]) == value


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_can_not_be_read_is_told(text: str) -> None:
    if text not in ("{", '{"a": "x'):
        assert not copied(list(text))[0]
    if text != "{":
        with pytest.raises(ValueError, match="JSON"):
            read_all(text)


@settings(max_examples=30, derandomize=True, deadline=None, database=None)
@given(VALUES.map(lambda value: {"a": value}), st.booleans())
def test_what_is_cut_is_the_beginning_of_what_would_have_come(value: Any, ascii_: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_)
    for length in range(len(text)):
        assert text.startswith(copied([text[:length]], cut=True)[1]), text[:length]


def test_what_is_nested_deep_is_read() -> None:
    text = '{"a": ' + "[" * 5000 + "]" * 5000 + "}"
    assert copied([text]) == (True, text)
    with pytest.raises(ValueError, match="deep"):
        read_all(text)
