"""Answers from the engine itself, of models that say what a test has them say: deltas, log-probabilities, counts."""

# ruff: noqa: E501 (what is written stands on one line)

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from mlxq.catalog import ModelRef
from tests.support.events import plain
from tests.support.payloads import typed
from tests.support.saying import saying
from tests.support.written import tool
from worker.engines.base import Delta, Done, Failed
from worker.engines.llm import chat

TOOL = tool("write_file", {"path": {"type": "string"}, "content": {"type": "string"}})


@dataclass
class Told:
    """What came of a request: its only choice, its usage, and what its deltas said."""

    choice: dict[str, Any]
    usage: dict[str, Any]
    content: str = ""
    reasoning: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    logprobs: list[str] = field(default_factory=list)

    @property
    def tokens(self) -> list[str]:
        return [entry["token"] for entry in self.choice["logprobs"]]


def ask(folder: Path, **options: Any) -> Told:
    engine = chat.load(ModelRef(folder.name, folder), Settings())
    engine.add(
        "task",
        typed({"messages": [{"role": "user", "content": "Go."}], "max_tokens": 300, **options}),
        seed=1,
    )
    told = Told({}, {})
    try:
        for _ in range(400):
            for output in engine.step():
                assert not isinstance(output, Failed), output.error
                if isinstance(output, Done):
                    told.choice, told.usage = (
                        plain(output.result)["choices"][0],
                        plain(output.result)["usage"],
                    )
                    assert told.choice["text"] == told.content
                    assert told.choice.get("reasoning", "") == told.reasoning
                    return told
                if isinstance(output, Delta):
                    note(told, output)
    finally:
        engine.close()
    raise AssertionError("it did not end")


def note(told: Told, delta: Delta) -> None:
    told.logprobs += [entry.token for entry in delta.logprobs or ()]
    match delta.field:
        case "content":
            told.content += delta.text
        case "reasoning":
            told.reasoning += delta.text
        case _:
            assert delta.call is not None
            if delta.call.id is not None:
                told.calls.append(plain(delta.call))
            if delta.text:
                told.arguments.append(delta.text)


HARMONY = ("<|channel|>", "<|message|>", "<|end|>", "<|start|>", "<|call|>")
THINKS = [
    "<think>",
    "\n",
    "I ",
    "greet",
    ".",
    "</think>",
    "\n\n",
    "Good",
    " day",
    " <think",
    "> you",
    "!",
]


@pytest.mark.parametrize(
    ("pieces", "markers", "opening", "expected"),
    [
        (THINKS, ("<think>", "</think>"), "", (["Good", " day", " <think", "> you", "!"], 4)),
        (THINKS[1:], (), "assistant\n<think>", (["Good", " day", " <think", "> you", "!"], 4)),
        (["I ", "greet", ".\n</thi", "nk", ">\n", "\nGo", "od"], (), "assistant\n<think>\n", (["\nGo", "od"], 3)),
        (["[THINK]", "I greet", ".", "[/THINK]", "Good"], ("[THINK]", "[/THINK]"), "", (["Good"], 2)),
        (
            ["<|channel|>", "analysis", "<|message|>", "I", " greet.", "<|end|>", "<|start|>assistant", "<|channel|>final", "<|message|>Go", "od"],
            HARMONY,
            "assistant",
            (["<|message|>Go", "od"], 2),
        ),
        (["Good", " day"], (), "", (["Good", " day"], 0)),
    ],
    ids=["in the vocabulary", "opened in the prompt, as text", "split", "mistral", "harmony", "nothing thought"],
)  # fmt: skip
def test_logprobs_and_counts_are_those_of_content_and_of_reasoning(
    tmp_path: Path, pieces: list[str], markers: tuple[str, ...], opening: str, expected: tuple[list[str], int]
) -> None:
    folder = saying(tmp_path / "model", pieces, markers=markers, opening=opening)
    told = ask(folder, logprobs=0, tools=[TOOL])
    assert (told.tokens, told.usage.get("reasoning_tokens", 0)) == expected
    assert told.logprobs == told.tokens
    assert told.usage["completion_tokens"] == len(pieces) + 1
    assert told.content.startswith("Good")
    plain = ask(folder)
    assert (plain.content, plain.reasoning) == (told.content, told.reasoning)
    for count in ("completion_tokens", "reasoning_tokens"):
        assert plain.usage.get(count) == told.usage.get(count)


def test_logprobs_end_where_a_stop_text_ends_the_answer(tmp_path: Path) -> None:
    folder = saying(tmp_path / "model", ["One", ", ", "two", ";", " three"])
    told = ask(folder, logprobs=0, stop=["two;"])
    assert (told.content, told.tokens, told.logprobs) == ("One, ", ["One", ", "], ["One", ", "])


def test_logprobs_of_an_answer_with_a_call_are_those_of_its_text(tmp_path: Path) -> None:
    pieces = [
        "I",
        " write",
        ".\n",
        "<tool_call>",
        '{"name": "write_file", ',
        '"arguments": {"pa',
        'th": "a"}}',
        "</tool_call>",
    ]
    told = ask(saying(tmp_path / "model", pieces), logprobs=0, tools=[TOOL])
    assert (told.content, told.tokens, told.choice["finish_reason"]) == ("I write.", pieces[:3], "tool_calls")
    assert "".join(told.arguments) == '{"path": "a"}'
    unread = ask(saying(tmp_path / "other", pieces), logprobs=0)
    assert (unread.content, unread.tokens) == ("".join(pieces), pieces)


def test_a_required_call_of_gpt_oss_ends_its_answer(tmp_path: Path) -> None:
    """It writes the call in a message of its own, instead of the one that the grammar waits for."""
    pieces = [
        "<|channel|>",
        "analysis",
        "<|message|>",
        "Hm.",
        "<|end|>",
        "<|start|>assistant<|channel|>commentary to=functions.write_file json<|message|>",
        '{"path": ',
        '"a"}',
    ]
    told = ask(
        saying(tmp_path / "model", pieces, markers=HARMONY, opening="assistant"),
        tools=[TOOL],
        tool_choice="required",
    )
    assert (told.content, told.reasoning, told.choice["finish_reason"]) == ("", "Hm.", "tool_calls")
    assert ([call["name"] for call in told.calls], "".join(told.arguments)) == (
        ["write_file"],
        '{"path": "a"}',
    )


@pytest.mark.parametrize("opening", ["assistant", "assistant\n<think>\n"])
def test_a_required_call_in_a_thought_without_end_is_made(tmp_path: Path, opening: str) -> None:
    """Qwen3.5 leaves out </think> before a call."""
    thought = ["<think>", "Hm", ".\n"][opening != "assistant" :]
    pieces = [
        *thought,
        "<tool_call>",
        '\n{"name": "write_file", ',
        '"arguments": {"path": ',
        '"a"}}',
        "\n</tool_call>",
    ]
    told = ask(
        saying(tmp_path / "model", pieces, markers=("<think>", "</think>"), opening=opening),
        tools=[TOOL],
        tool_choice="required",
    )
    assert (told.content, told.reasoning, told.choice["finish_reason"]) == ("", "Hm.", "tool_calls")
    assert "".join(told.arguments) == '{"path": "a"}'


WORDS = [f"word {number}, " for number in range(20)]
CODER = [
    "<tool_call>\n",
    "<function=write_file>",
    "\n<parameter=path>",
    "\na.txt",
    "\n</parameter>\n",
    "<parameter=content>\n",
    *WORDS,
    "\n</parameter>",
    "\n</function>",
    "\n</tool_call>",
]
JSON = [
    "<tool_call>",
    '\n{"name": "write_file", ',
    '"arguments": {"path": ',
    '"a.txt", ',
    '"content": "',
    *WORDS,
    '"}',
    "}",
    "\n</tool_call>",
]


@pytest.mark.parametrize("pieces", [CODER, JSON], ids=["coder", "json"])
def test_a_call_is_told_as_it_is_written_and_as_far_as_it_goes(tmp_path: Path, pieces: list[str]) -> None:
    folder = saying(tmp_path / "model", pieces)
    whole = ask(folder, tools=[TOOL])
    [call] = whole.choice["tool_calls"]
    assert json.loads(call["arguments"]) == {"path": "a.txt", "content": "".join(WORDS)}
    assert whole.choice["finish_reason"] == "tool_calls"
    assert (whole.content, len(whole.calls)) == ("", 1)
    assert "".join(whole.arguments) == call["arguments"]
    assert len(whole.arguments) >= len(WORDS)
    cut = ask(folder, tools=[TOOL], max_tokens=12)
    [partial] = cut.choice["tool_calls"]
    assert (cut.choice["finish_reason"], cut.content) == ("length", "")
    assert partial["id"] == call["id"]
    assert call["arguments"].startswith(partial["arguments"])
    assert "word 1" in partial["arguments"]
    assert "".join(cut.arguments) == partial["arguments"]


def test_an_answer_ends_with_its_only_call(tmp_path: Path) -> None:
    call = ['<tool_call>{"name": "write_file", ', '"arguments": {}}', "</tool_call>"]
    folder = saying(tmp_path / "model", [*call, "\nThe", " result", " is"])
    told = ask(folder, tools=[TOOL], parallel_tool_calls=False)
    assert (told.choice["finish_reason"], told.content, len(told.calls)) == ("tool_calls", "", 1)
    assert told.usage["completion_tokens"] == 2
    more = ask(folder, tools=[TOOL])
    assert (more.choice["finish_reason"], more.content) == ("tool_calls", "The result is")


def test_templates_with_names_are_read_too(tmp_path: Path) -> None:
    pieces = ["<|tool_call>call:", 'write_file{path:<|"|>', 'a"b<|', '"|>}', "<tool_call|>"]
    folder = saying(tmp_path / "model", pieces)
    named = [{"name": "default", "template": (folder / "chat_template.jinja").read_text()}]
    named.append({"name": "tool_use", "template": named[0]["template"] + "{# <|tool_call> #}"})
    (folder / "chat_template.jinja").unlink()
    config = json.loads((folder / "tokenizer_config.json").read_text()) | {"chat_template": named}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    [call] = ask(folder, tools=[TOOL]).choice["tool_calls"]
    assert json.loads(call["arguments"]) == {"path": 'a"b'}
