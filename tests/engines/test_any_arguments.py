"""Arguments of any kind, written as each family writes them, are read as they were; and any text can be read."""

# ruff: noqa: E501, RUF001 (what is written stands on one line; DeepSeek writes wide bars)

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.written import family, read, tool
from worker.engines.llm.answers.splitter import Splitter
from worker.engines.llm.formats.parts import CONTENT, REASONING
from worker.engines.llm.formats.table import ROWS
from worker.engines.llm.formats.typed import Tools

Arguments = dict[str, Any]

SCHEMAS: dict[str, Any] = {
    "text": {"type": "string"},
    "perhaps": {"type": ["string", "null"]},
    "count": {"type": "integer"},
    "optional": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    "share": {"type": "number"},
    "flag": {"$ref": "#/$defs/flag"},
    "kind": {"enum": ["a", "true", "1.10"]},
    "things": {"type": "array"},
    "more": {"type": "object"},
}
TOOL = tool("f", SCHEMAS, **{"$defs": {"flag": {"type": "boolean"}}})

#: Bits of text that mean something somewhere.
_BITS = [
    "</tool_call>", "<tool_call>", "</parameter>", "</function>", "</arg_value>", "[TOOL_CALLS]", "<think>", "</think>",
    "<|call|>", "<|end|>", "```", '"', "'", "\\", "\\n", "\n", "\t", "{", "}", "[", "]", ",", ":", "null", " ", "é", "日本", "🙂", "a", "1.10",
]  # fmt: skip
texts = st.lists(st.sampled_from(_BITS), max_size=12).map("".join)
#: For writings that have no quotation marks: without their own tags that would end them, see test_formats.
plain_texts = st.text(alphabet="ab 1.\"'\\{}[],:é日🙂\n\t</>|", max_size=30)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b c", "d"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def arguments(text: st.SearchStrategy[str]) -> st.SearchStrategy[Arguments]:
    return st.fixed_dictionaries(
        {},
        optional={
            "text": text,
            "perhaps": st.none() | text.filter(lambda each: each.strip() not in ("null", "None")),
            "count": st.integers(),
            "optional": st.none() | st.integers(),
            "share": numbers,
            "flag": st.booleans(),
            "kind": st.sampled_from(SCHEMAS["kind"]["enum"]),
            "things": st.lists(values, max_size=3),
            "more": st.dictionaries(st.sampled_from(["x", "y z"]), values, max_size=3),
        },
    )


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def raw(value: Any) -> str:
    """A value as templates put it between tags."""
    return value if isinstance(value, str) else as_json(value)


def gemma(value: Any, mark: str) -> str:
    match value:
        case str():
            return mark + value + mark
        case dict():
            return "{" + ",".join(f"{key}:{gemma(each, mark)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ",".join(gemma(each, mark) for each in value) + "]"
        case _:
            return json.dumps(value)


def tags(call: str, argument: str, end: str, separator: str = "") -> Callable[[Arguments], str]:
    def write(of: Arguments) -> str:
        return (
            call
            + separator.join(
                argument.format(key=key, value=raw(value), text=str(isinstance(value, str)).lower())
                for key, value in of.items()
            )
            + end
        )

    return write


QUOTED: dict[str, tuple[str, Callable[[Arguments], str]]] = {
    "hermes": ("", lambda of: f'<tool_call>\n{as_json({"name": "f", "arguments": of})}\n</tool_call>'),
    "hermes, ascii": ("", lambda of: f'<tool_call>\n{json.dumps({"name": "f", "arguments": of}, indent=2)}\n</tool_call>'),
    "llama": ("", lambda of: as_json({"name": "f", "parameters": of})),
    "mistral": ("[TOOL_CALLS]", lambda of: f"[TOOL_CALLS]f[ARGS]{as_json(of)}"),
    "mistral, list": ("[TOOL_CALLS]", lambda of: f'[TOOL_CALLS][{as_json({"name": "f", "arguments": of})}]'),
    "harmony": ("<|channel|>", lambda of: f"<|channel|>commentary to=functions.f <|constrain|>json<|message|>{as_json(of)}<|call|>"),
    "kimi": ("<|tool_calls_section_begin|>", lambda of: f"<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{as_json(of)}<|tool_call_end|><|tool_calls_section_end|>"),
    "deepseek": ("<｜tool▁calls▁begin｜>", lambda of: f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{as_json(of)}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"),
    "pythonic": ("", lambda of: f"[f({', '.join(f'{key}={value!r}' for key, value in of.items())})]"),
    "pythonic, json": ("<|tool_call_start|>", lambda of: f"<|tool_call_start|>[f({', '.join(f'{key}={as_json(value)}' for key, value in of.items())})]<|tool_call_end|>"),
}  # fmt: skip
PLAIN: dict[str, tuple[str, Callable[[Arguments], str]]] = {
    "coder": ("", tags("<tool_call>\n<function=f>\n", "<parameter={key}>\n{value}\n</parameter>\n", "</function>\n</tool_call>")),
    "glm": ("", tags("<tool_call>f\n", "<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>\n", "</tool_call>")),
    "minimax": ("<minimax:tool_call>", tags('<minimax:tool_call>\n<invoke name="f">\n', '<parameter name="{key}">{value}</parameter>\n', "</invoke>\n</minimax:tool_call>")),
    "dsml": ("｜DSML｜", tags('<｜DSML｜function_calls>\n<｜DSML｜invoke name="f">\n', '<｜DSML｜parameter name="{key}" string="{text}">{value}</｜DSML｜parameter>\n', "</｜DSML｜invoke>\n</｜DSML｜function_calls>")),
    "minicpm5": ('<function name="', tags('<function name="f">', '<param name="{key}"><![CDATA[{value}]]></param>', "</function>")),
    "muse": ("muse_spark", tags('<atem:function_calls><atem:invoke name="f">', '<atem:parameter name="{key}">{value}</atem:parameter>', "</atem:invoke></atem:function_calls>")),
    "gemma": ("<|tool_call>", lambda of: "<|tool_call>call:f" + gemma(of, '<|"|>') + "<tool_call|>"),
    "function gemma": ("<start_function_call>", lambda of: f"<start_function_call>call:f{gemma(of, '<escape>')}<end_function_call>"),
}  # fmt: skip
WAYS = [
    *((name, *way, texts) for name, way in QUOTED.items()),
    *((name, *way, plain_texts) for name, way in PLAIN.items()),
]


def cut(text: str, seed: int) -> list[str]:
    draw, pieces = random.Random(seed), []
    while text:
        size = draw.choice((1, 2, 5, 40))
        pieces.append(text[:size])
        text = text[size:]
    return pieces


@pytest.mark.parametrize(("name", "sign", "write", "text"), WAYS, ids=[way[0] for way in WAYS])
def test_what_a_family_writes_is_read_as_it_was(
    name: str, sign: str, write: Callable[[Arguments], str], text: st.SearchStrategy[str]
) -> None:
    of = family(sign)

    @settings(
        max_examples=40,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(arguments(text), st.integers(0, 99))
    def check(given_: Arguments, seed: int) -> None:
        written = write(given_)
        result = read(of, cut(written, seed), [TOOL])
        assert [called for called, _ in result.calls] == ["f"], written
        assert (result.content, result.closed) == ("", 1), written
        assert json.loads(result.calls[0][1]) == given_, written

    check()


MARKS = sorted({mark for row in ROWS for mark in (
    *(each for pair in row.thinking for each in pair), *row.frames, *row.signs,
    *(each for calls in row.calls for each in (*calls.starts, calls.end)),
)})  # fmt: skip
SOUP = [*MARKS, "f", "{", "}", '"name": "f"', '"arguments": ', "f(", "text=", ")", "call:f{", "[", "]", '"', "'", ",", "\n", " ", "\\", "x", "1",
        "<function=f>", "<parameter=text>", "</parameter>", "</function>", "<arg_key>text</arg_key>", "<arg_value>", "</arg_value>", '<invoke name="f">',
        '<parameter name="text">', "</invoke>", "<|message|>", "<|end|>", "<|start|>", "assistant", "to=functions.f", "<｜tool▁sep｜>", "[ARGS]", "<![CDATA[", "]]>"]  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_any_text_is_read_the_same_in_any_pieces(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(40):
        signs = draw.sample(MARKS, draw.choice((0, 1, 3, len(MARKS))))
        of = family(*signs)
        text = "".join(draw.choices(SOUP, k=draw.randint(1, 25)))
        options: Any = {
            "tools": [TOOL] if draw.random() < 0.8 else None,
            "start": draw.choice((CONTENT, REASONING)),
            "cut": draw.random() < 0.5,
            "several": draw.random() < 0.7,
            "held": draw.random() < 0.2,
        }
        whole = read(of, [text], **options)
        for pieces in (list(text), cut(text, seed)):
            assert read(of, pieces, **options).parts == whole.parts, (signs, text, options)


def test_a_text_that_never_ends_a_call_is_read_in_time() -> None:
    splitter = Splitter(family(*MARKS), CONTENT, Tools([TOOL]))
    for piece in (
        "<tool_call>\n<function=f>\n<parameter=text>\n",
        *["</parameter>\n</function>\nx <tool_call>"] * 2000,
    ):
        splitter.feed(piece)
    assert splitter.finish()
