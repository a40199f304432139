"""White space, states and ends of what the splitter reads; what families write is in test_formats."""

# ruff: noqa: E501 (what is written stands on one line)

import json
from typing import Any

import pytest

from tests.support.written import family, read, splits, tool
from worker.engines.llm.answers.splitter import Splitter
from worker.engines.llm.formats.parts import ARGUMENTS, CALL, CLOSED, CONTENT, REASONING
from worker.engines.llm.formats.typed import Tools

CALLED = '<tool_call>{"name": "noop", "arguments": {}}</tool_call>'
TOOLS = [tool("noop"), tool("write_file", {"content": {"type": "string"}})]

STORIES = [
    ("plain", CONTENT, " Hello there. \n", (" Hello there. \n", "")),
    ("thought first", CONTENT, "<think>\nHm.\n</think>\n\nYes.", ("Yes.", "Hm.")),
    ("opened before", REASONING, "Hm.\n\nSo.\n</think>\nYes.\n", ("Yes.\n", "Hm.\n\nSo.")),
    ("nothing thought", CONTENT, "<think>\n\n</think>\n\nYes.", ("Yes.", "")),
    ("thought once", CONTENT, "<think>a</think>\n<think> is a mark.", ("<think> is a mark.", "a")),
    ("nothing thought at first", CONTENT, "<think>\n</think>\n<think>b</think>c", ("c", "b")),
    ("the end of a thought again", REASONING, "Hm.</think>\n\n</think>\n\nYes.", ("Yes.", "Hm.")),
    ("the end of a thought alone", CONTENT, "</think>\n\nYes.", ("Yes.", "")),
    ("the end of a thought later", CONTENT, "a </think> b", ("a </think> b", "")),
    ("almost a marker", CONTENT, "a <tool_cal b <", ("a <tool_cal b <", "")),
    ("spaces inside", CONTENT, "a \n\n b", ("a \n\n b", "")),
    ("nothing but space", CONTENT, " \n", (" \n", "")),
    ("a call", CONTENT, f"I look.\n{CALLED}\n", ("I look.", "")),
    ("a call between", CONTENT, f"I look.\n{CALLED}\nDone.", ("I look.\n\nDone.", "")),
    ("text behind a call", CONTENT, f"{CALLED}\nDone.\n", ("Done.", "")),
]


@pytest.mark.parametrize(
    ("start", "text", "parts"), [each[1:] for each in STORIES], ids=[s[0] for s in STORIES]
)
@pytest.mark.parametrize("tools", [True, False])
def test_white_space_belongs_to_what_is_shown(
    start: str, text: str, parts: tuple[str, str], tools: bool
) -> None:
    if not tools and CALLED in text:
        parts = (text, "")
    for pieces in splits(text):
        result = read(family(), pieces, TOOLS if tools else None, start)
        assert (result.content, result.reasoning) == parts


def test_content_goes_on_while_a_call_may_come() -> None:
    splitter = Splitter(family(), CONTENT, Tools(TOOLS))
    assert splitter.feed("Hello") == [(CONTENT, "Hello", 0)]
    assert splitter.feed(", world <") == [(CONTENT, ", world", 5)]
    assert splitter.feed("b>") == [(CONTENT, " ", 12), (CONTENT, "<b>", 13)]


def test_without_tools_content_is_plain_once_it_has_begun() -> None:
    splitter = Splitter(family(), REASONING)
    assert (splitter.state, splitter.plain) == (REASONING, False)
    assert splitter.feed("Hm.</think>\n\n") == [(REASONING, "Hm.", 0)]
    assert (splitter.state, splitter.plain) == (CONTENT, False)
    assert splitter.feed("So. ") == [(CONTENT, "So.", 13), (CONTENT, " ", 16)]
    assert splitter.plain
    assert splitter.feed("<think> ") == [(CONTENT, "<think> ", 17)]
    assert splitter.finish() == []
    assert splitter.thought == [[0, 3]]


def test_a_calls_name_comes_first_and_its_arguments_as_they_are_written() -> None:
    splitter = Splitter(family(), CONTENT, Tools(TOOLS))
    told = []
    for piece in ('<tool_call>{"na', 'me": "write_file", "argu', 'ments": {"cont', 'ent": "once', " upon", ' a time"}}', "</tool_call>"):  # fmt: skip
        told.append([(kind, text) for kind, text, _ in splitter.feed(piece)])
    assert told == [
        [],
        [],
        [(CALL, "write_file"), (ARGUMENTS, '{"cont')],
        [(ARGUMENTS, 'ent": "once')],
        [(ARGUMENTS, " upon")],
        [(ARGUMENTS, ' a time"}'), (CLOSED, "")],
        [],
    ]


LONG = "".join(f'Line {number}: it\'s "so" \\ {number}.\n' for number in range(8))
WRITTEN = {
    "hermes": f"<tool_call>\n{json.dumps({'name': 'write_file', 'arguments': {'content': LONG}})}\n</tool_call>",
    "coder": f"<tool_call>\n<function=write_file>\n<parameter=content>\n{LONG}\n</parameter>\n</function>\n</tool_call>",
    "glm": f"<tool_call>write_file<arg_key>content</arg_key><arg_value>{LONG}</arg_value></tool_call>",
    "gemma": f'<|tool_call>call:write_file{{content:<|"|>{LONG}<|"|>}}<tool_call|>',
    "pythonic": f"[write_file(content={json.dumps(LONG)})]",
    "mistral": f"[TOOL_CALLS]write_file[ARGS]{json.dumps({'content': LONG})}",
    "harmony": f"<|channel|>commentary to=functions.write_file<|message|>{json.dumps({'content': LONG})}<|call|>",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_arguments_come_in_pieces_that_are_json_together(name: str) -> None:
    text = WRITTEN[name]
    of = family("<|tool_call>", "[TOOL_CALLS]", "<|channel|>" if name == "harmony" else "")
    splitter = Splitter(of, CONTENT, Tools(TOOLS))
    told: list[str] = []
    for place in range(0, len(text), 4):
        told += [part for kind, part, _ in splitter.feed(text[place : place + 4]) if kind == ARGUMENTS]
    told += [part for kind, part, _ in splitter.finish() if kind == ARGUMENTS]
    assert len(told) > 40
    assert json.loads("".join(told)) == {"content": LONG}


def test_content_that_obeys_a_grammar_holds_no_markers() -> None:
    text = '{"say": "<think>, [TOOL_CALLS] and <tool_call>{"}'
    for pieces in splits(text):
        assert read(family("[TOOL_CALLS]"), pieces, TOOLS, held=True).parts == (text, "", [])
        thought = ["<think>Hm.</think>", *pieces]
        assert read(family("[TOOL_CALLS]"), thought, TOOLS, held=True).parts == (text, "Hm.", [])


@pytest.mark.parametrize("tools", [None, TOOLS])
def test_content_that_the_prompt_has_begun_goes_on(tools: Any) -> None:
    text = " <think> is a mark.\n"
    for pieces in splits(text):
        assert read(family(), pieces, tools, begun=True).parts == (text, "", [])
        opened = ["Hm.</think>", *pieces]
        assert read(family(), opened, tools, REASONING, begun=True).parts == (text.lstrip(), "Hm.", [])
        assert read(family(), [*pieces[:-1], pieces[-1].rstrip(), CALLED], tools, begun=True).calls == (
            [("noop", "{}")] if tools else []
        )


def test_a_model_of_channels_may_think_before_it_obeys() -> None:
    thought = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>"
    for pieces in splits(thought + '{"say": "<|end|> <think>"}'):
        assert read(family("<|channel|>"), pieces, TOOLS, held=True).parts == (
            '{"say": "<|end|> <think>"}',
            "Hm.",
            [],
        )
    for pieces in splits(thought + CALLED):
        assert read(family("<|channel|>"), pieces, TOOLS, held=True).parts == ("", "Hm.", [("noop", "{}")])


def test_an_enforced_call_is_read_whatever_the_family() -> None:
    text = '<tool_call>\n{"name": "write_file", "arguments": {"content": "</tool_call>"}}\n</tool_call>\n'
    for signs in ((), ("<|channel|>",), ("[TOOL_CALLS]",), ("<|tool_call>",), ("<minimax:tool_call>",)):
        for pieces in splits(text + text):
            calls = read(family(*signs), pieces, TOOLS, held=True).calls
            assert calls == [("write_file", '{"content": "</tool_call>"}')] * 2


@pytest.mark.parametrize(
    ("signs", "begun"),
    [
        ((), '<tool_call>\n{"name": "no'),
        ((), "<tool_call>\n<function=no"),
        ((), "<tool_call>no"),
        (("[TOOL_CALLS]",), "[TOOL_CALLS]no"),
        (("<|tool_calls_section_begin|>",), "<|tool_calls_section_begin|><|tool_call_begin|>functions.no"),
    ],
)
def test_a_call_that_is_cut_within_its_name_is_no_content(signs: tuple[str, ...], begun: str) -> None:
    for pieces in splits(f"I look.\n{begun}"):
        result = read(family(*signs), pieces, TOOLS, cut=True)
        assert (result.content.rstrip(), result.calls) == ("I look.", [])
