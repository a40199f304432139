"""What a model writes becomes content, reasoning and calls, however the text is cut into pieces."""

from collections.abc import Iterator

import pytest

from worker.engines.llm.splitter import CONTENT, REASONING, TOOL, Markers, Splitter

MARKERS = Markers("<think>", "</think>", "<tool_call>", "</tool_call>")

STORIES = [
    ("plain", CONTENT, " Hello there. \n", [(CONTENT, " Hello there. \n")]),
    ("thought first", CONTENT, "<think>\nHm.\n</think>\n\nYes.", [(REASONING, "Hm."), (CONTENT, "Yes.")]),
    ("opened before", REASONING, "Hm.\n\nSo.\n</think>\nYes.\n", [(REASONING, "Hm.\n\nSo."), (CONTENT, "Yes.\n")]),
    ("nothing thought", CONTENT, "<think>\n\n</think>\n\nYes.", [(CONTENT, "Yes.")]),
    ("thought without end", REASONING, "Hm, 1 < 2 </thin", [(REASONING, "Hm, 1 < 2 </thin")]),
    ("one call", CONTENT, '<tool_call>\n{"a": 1}\n</tool_call>', [(TOOL, '\n{"a": 1}\n')]),
    ("words, then a call", CONTENT, "I look.\n<tool_call>x</tool_call>\n", [(CONTENT, "I look."), (TOOL, "x")]),
    ("two calls", CONTENT, "<tool_call>x</tool_call>\n<tool_call>y</tool_call>", [(TOOL, "x"), (TOOL, "y")]),
    ("a call cut off", CONTENT, "<tool_call>{", [(TOOL, "{")]),
    ("thought and called", REASONING, "Hm.</think><tool_call>x</tool_call>", [(REASONING, "Hm."), (TOOL, "x")]),
    ("almost a marker", CONTENT, "a <tool_cal b <", [(CONTENT, "a <tool_cal b <")]),
    ("spaces inside", CONTENT, "a \n\n b", [(CONTENT, "a \n\n b")]),
]  # fmt: skip


def split(markers: Markers, start: str, pieces: Iterator[str], **options: bool) -> list[tuple[str, str]]:
    """The parts, those of one kind that follow each other as one; a call is one part of its own."""
    splitter = Splitter(markers, start, **options)
    parts = [part for piece in pieces for part in splitter.feed(piece)] + splitter.finish()
    merged: list[tuple[str, str]] = []
    for kind, text in parts:
        if merged and merged[-1][0] == kind != TOOL:
            merged[-1] = (kind, merged[-1][1] + text)
        else:
            merged.append((kind, text))
    return merged


@pytest.mark.parametrize(
    ("start", "text", "parts"), [story[1:] for story in STORIES], ids=[s[0] for s in STORIES]
)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_it_is_the_same_in_pieces_of_any_size(
    start: str, text: str, parts: list[tuple[str, str]], size: int
) -> None:
    pieces = (text[place : place + size] for place in range(0, len(text), size))
    assert split(MARKERS, start, pieces) == parts


def test_without_tools_the_markers_of_calls_are_content() -> None:
    text = "Write <tool_call> to call."
    assert split(MARKERS.without_calls(), CONTENT, iter([text])) == [(CONTENT, text)]


def test_content_goes_on_while_a_call_may_come() -> None:
    splitter = Splitter(MARKERS)
    assert splitter.feed("Hello") == [(CONTENT, "Hello")]
    assert splitter.feed(", world") == [(CONTENT, ", world")]


HELD = [
    ("an answer", CONTENT, '{"a": "<think> <tool_call>"}', [(CONTENT, '{"a": "<think> <tool_call>"}')]),
    ("thought first", CONTENT, '\n<think>Hm.</think>\n"<think>"', [(REASONING, "Hm."), (CONTENT, '"<think>"')]),
    ("opened before", REASONING, 'Hm.</think>["</think>"]', [(REASONING, "Hm."), (CONTENT, '["</think>"]')]),
    ("a call", CONTENT, "<tool_call>x</tool_call>\n<tool_call>y</tool_call>", [(TOOL, "x"), (TOOL, "y")]),
    ("a bare text", CONTENT, '"<think>"', [(CONTENT, '"<think>"')]),
]  # fmt: skip


@pytest.mark.parametrize(("start", "text", "parts"), [story[1:] for story in HELD], ids=[s[0] for s in HELD])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_content_that_obeys_a_grammar_holds_no_markers(
    start: str, text: str, parts: list[tuple[str, str]], size: int
) -> None:
    pieces = (text[at : at + size] for at in range(0, len(text), size))
    assert split(MARKERS, start, pieces, held=True) == parts
