"""What a grammar lets a model write, told by a model that wishes for one text: reasoning first, calls, short ends."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import mlx.core as mx
import pytest

from api.inputs.json_schema import Rewriting
from mlxq.catalog import ModelRef
from tests.support.payloads import typed
from tests.support.schemas import TAKEN
from worker.engines.llm.answers.answers import Answers
from worker.engines.llm.answers.splitter import CONTENT, REASONING
from worker.engines.llm.prompts.prompt import Prompt
from worker.engines.loading import load_language_model

TINY_CHAT = Path(__file__).parents[2] / "models" / "tiny-chat"
END = "<|im_end|>"
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "look", "parameters": CITY}}
ANSWER = '{"city": "Rome"}'
CALL = f'<tool_call>\n{{"name": "look", "arguments": {ANSWER}}}\n</tool_call>'
HELD: list[dict[str, Any]] = [
    {"grammar": {"json_schema": CITY}},
    {"tools": [TOOL], "tool_choice": "required"},
    {"tools": [TOOL], "tool_choice": {"name": "look"}},
]


@cache
def answers() -> tuple[Answers, Any]:
    language = load_language_model(ModelRef("tiny-chat", TINY_CHAT))
    return Answers(language), language.tokenizer


def write(
    wish: str,
    most: int = 200,
    prompt: str = "",
    state: str = CONTENT,
    seed: int | None = None,
    **payload: Any,
) -> str:
    """What comes of a wish: its tokens where they may come, else an end, a quotation mark or the first that may.

    With a `seed` what comes is any token that may.
    """
    engine, tokenizer = answers()
    payload = {"messages": [], "temperature": 0, **payload}
    begun = Prompt(tokenizer.encode(prompt or "x", add_special_tokens=False), state)
    [processor] = engine.processors(
        engine.begin("t", 0, typed(payload), begun, 1), typed(payload), begun, most
    )
    wishes = tokenizer.encode(wish + END, add_special_tokens=False)
    [quote] = tokenizer.encode('"', add_special_tokens=False)
    written: list[int] = []
    while len(written) < most:
        logits = mx.zeros((1, engine.vocabulary.size))
        logits[0, quote], logits[0, engine.vocabulary.ends[0]] = 1.0, 2.0
        if seed is not None:
            logits = mx.random.normal(
                (1, engine.vocabulary.size), key=mx.random.key(1000 * seed + len(written))
            )
        elif wishes:
            logits[0, wishes[0]] = 9.0
        allowed = processor(mx.array([*begun.tokens, *written]), logits)
        token: Any = mx.argmax(allowed).item()
        best: Any = allowed.max().item()
        assert best > -1e9, "something has to be allowed"
        if seed is None and wishes and token == wishes[0]:
            wishes.pop(0)
        if token in engine.vocabulary.ends:
            return str(tokenizer.decode(written)) + END
        written.append(token)
    return str(tokenizer.decode(written))


@pytest.mark.parametrize("held", HELD, ids=["schema", "required", "named"])
@pytest.mark.parametrize("lead", ["", "\n"])
def test_a_model_that_opens_its_reasoning_thinks_first(held: dict[str, Any], lead: str) -> None:
    text = f"{lead}<think>\nRome {{or}} not?\n</think>\n\n{CALL if 'tools' in held else ANSWER}"
    assert write(text, **held) == text + END


@pytest.mark.parametrize("held", HELD, ids=["schema", "required", "named"])
def test_what_the_prompt_has_opened_is_waited_for(held: dict[str, Any]) -> None:
    text = f"Rome?\n</think>\n{CALL if 'tools' in held else ANSWER}"
    assert write(text, state=REASONING, **held) == text + END


@pytest.mark.parametrize(
    "options",
    [
        {"enable_thinking": False},
        {"reasoning_effort": "none"},
        {"chat_template_kwargs": {"enable_thinking": False}},
        {"prompt": "<think>\n\n</think>\n\n"},
    ],
)
def test_a_model_that_shall_not_think_does_not(options: dict[str, Any]) -> None:
    written = write(f"<think>Hm.</think>{ANSWER}", **options, **HELD[0])
    assert "<think>" not in written
    assert json.loads(written.removesuffix(END)).keys() == {"city"}


@pytest.mark.parametrize("wish", ["Rome it is.", "I <think> not", END, f"<think>I stop here{END}"])
def test_the_schema_holds_whatever_the_model_wishes(wish: str) -> None:
    written = write(wish, most=60, **HELD[0]).removesuffix(END)
    if "</think>" in written or not written.startswith("<think>"):
        assert json.loads(written.rpartition("</think>")[2]).keys() == {"city"}
    else:
        assert wish.startswith("<think>"), "it thinks on until its tokens are used up"


def test_one_call_is_enough_unless_the_model_goes_on() -> None:
    held = HELD[1]
    assert write(CALL, **held) == CALL + END
    assert write(f"{CALL}\n{CALL.replace('Rome', 'Oslo')}", **held).count("<tool_call>") == 2
    for other in ("\nThe weather is", " That is all.", "\n\n", "<think>"):
        assert write(CALL + other, **held).count("<tool_call>") == 1
    assert write(f"{CALL}\n{CALL}", **held, parallel_tool_calls=False).count("<tool_call>") == 1


@pytest.mark.parametrize(
    "number", ["1" * 300, "0." + "3" * 300, "1e" + "9" * 300, "-" + "7" * 300, "2E-" + "1" * 99]
)
def test_numbers_end(number: str) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "number"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    written = write(f'{{"n": {number}', grammar={"json_schema": schema}).removesuffix(END)
    value = json.loads(written)["n"]
    assert len(written) < 64
    assert abs(value) < 1e100


@pytest.mark.parametrize(
    "number", ["9223372036854775807", "-0.30000000000000004", "1.5e-10", "18446744073709551615"]
)
def test_numbers_of_64_bits_are_whole(number: str) -> None:
    schema = {"type": "array", "items": {"type": "number"}}
    assert write(f"[{number}]", grammar={"json_schema": schema}) in (
        f"[{number}]{END}",
        f"[{number[:19]}]{END}",
    )


def test_digits_that_a_multiple_asks_for_are_written() -> None:
    schema = {"type": "integer", "multipleOf": 7}
    # Six ones are a multiple of seven, 24 are the first that are one behind the bound.
    assert write("1" * 300, grammar={"json_schema": schema}) == "1" * 24 + END


THINGS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "things": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
                },
                "required": ["name", "tags"],
                "additionalProperties": False,
            },
        },
        "note": {"type": ["string", "null"]},
    },
    "required": ["things", "note"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("most", [24, 25, 30, 37, 41, 53, 68, 90, 120])
def test_an_answer_is_closed_before_its_tokens_are_used_up(most: int) -> None:
    things = ", ".join(f'{{"name": "thing {n}", "tags": ["a", "b", "c"]}}' for n in range(99))
    written = write(f'{{"things": [{things}], "note": "x"}}', most, grammar={"json_schema": THINGS})
    assert written.endswith(END)
    read = json.loads(written.removesuffix(END))
    assert read.keys() == {"things", "note"}
    assert len(written) > most or most < 40, "what there is room for is used"


@pytest.mark.parametrize("most", range(60, 90, 3))
def test_characters_of_several_tokens_are_whole_at_the_end(most: int) -> None:
    # Characters that the vocabulary has in bytes only.
    written = write('{"city": "' + "\U00013000\u4e50\u00e5\\u00e5" * 90, most, grammar={"json_schema": CITY})
    assert written.endswith('"}' + END)
    assert len(json.loads(written.removesuffix(END))["city"]) > 10


def test_too_few_tokens_for_any_answer_are_used_as_the_model_wishes() -> None:
    written = write('{"things": [{"name": "x', 10, grammar={"json_schema": THINGS})
    assert '{"things": [{"name": "x'.startswith(written)


def test_a_text_that_repeats_itself_for_ever_is_ended() -> None:
    for wish in ('{"city": "' + "la " * 3000, '{"city": "' + "a" * 6000):
        written = write(wish, 3000, grammar={"json_schema": CITY})
        assert written.endswith('"}' + END)
        assert len(written) < 4000
    # A long text does not.
    long = json.dumps({"city": " ".join(map(str, range(400)))})
    assert write(long, 3000, grammar={"json_schema": CITY}) == long + END
    numbers = write(
        "[" + "0, " * 3000, 4000, grammar={"json_schema": {"type": "array", "items": {"type": "integer"}}}
    )
    assert numbers.endswith("]" + END)
    assert len(numbers) < 2000


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_written_under_peoples_schemas_holds_to_them(name: str) -> None:
    schema = Rewriting(TAKEN[name]).result
    kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    # Nulls are no JSON schema.
    validator = kind(schema if "null" in name else TAKEN[name], format_checker=kind.FORMAT_CHECKER)
    for seed in range(4):
        written = write("", 160, seed=seed, enable_thinking=False, grammar={"json_schema": schema})
        assert written.endswith(END)
        validator.validate(json.loads(written.removesuffix(END)))
