"""Conversations that OpenAI's API takes, on templates in the style of eight families: none is refused or cut."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlx_lm import tokenizer_utils

from jobs.errors import InvalidRequest
from tests.support.checkpoints import byte_tokenizer
from tests.support.payloads import typed
from tests.support.templates import STYLES
from worker.engines.llm.formats.parts import CONTENT, REASONING
from worker.engines.llm.prompts.prompt import Prompts
from worker.engines.loading import LanguageModel

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "look", "description": "looks", "parameters": {"type": "object", "properties": {}}},
}


def said(role: str, content: str | None, **fields: Any) -> dict[str, Any]:
    return {"role": role, "content": content or "", **fields}


def user(text: str) -> dict[str, Any]:
    return said("user", text)


def system(text: str) -> dict[str, Any]:
    return said("system", text)


def assistant(text: str = "", *calls: tuple[str, str]) -> dict[str, Any]:
    if not calls:
        return said("assistant", text)
    made = [
        {"id": f"call_{key}", "type": "function", "function": {"name": f"look_{key}", "arguments": arguments}}
        for key, arguments in calls
    ]
    return said("assistant", text, tool_calls=made)


def result(key: str) -> dict[str, Any]:
    return said("tool", f"result-{key}", tool_call_id=f"call_{key}")


ONE = [user("ask-1"), assistant("", ("a", '{"path": "value-a"}')), result("a")]
TWO = [
    user("ask-1"),
    assistant("", ("a", '{"path": "value-a"}'), ("b", '{"path": "value-b"}')),
    result("a"),
    result("b"),
]
HISTORIES: dict[str, list[dict[str, Any]]] = {
    "plain": [user("ask-1")],
    "system": [system("rule-1"), user("ask-1"), assistant("answer-1"), user("ask-2")],
    "two systems": [system("rule-1"), system("rule-2"), user("ask-1")],
    "later system": [system("rule-1"), user("ask-1"), assistant("answer-1"), system("rule-2"), user("ask-2")],
    "system at the end": [user("ask-1"), assistant("answer-1"), system("rule-1")],
    "only a system": [system("rule-1")],
    "system between users": [user("ask-1"), system("rule-1"), user("ask-2")],
    "two users": [user("ask-1"), user("ask-2")],
    "two assistants": [user("ask-1"), assistant("answer-1"), assistant("answer-2"), user("ask-2")],
    "assistant first": [assistant("answer-1"), user("ask-1")],
    "system, assistant first": [system("rule-1"), assistant("answer-1"), user("ask-1")],
    "one call": ONE,
    "call and answer": [*ONE, assistant("answer-1"), user("ask-2")],
    "user after a result": [*ONE, user("ask-2")],
    "system after a result": [system("rule-1"), *ONE, system("rule-2"), user("ask-2")],
    "two calls": TWO,
    "two calls, other order": [*TWO[:2], result("b"), result("a"), assistant("answer-1"), user("ask-2")],
    "call without a result": [*ONE[:2], user("ask-2")],
    "call with words": [user("ask-1"), assistant("answer-1", ("a", "{}")), result("a")],
    "only reasoning": [user("ask-1"), said("assistant", "", reasoning_content="thought"), user("ask-2")],
    "empty answer": [user("ask-1"), assistant(""), user("ask-2")],
    "empty arguments": [user("ask-1"), assistant("", ("a", "")), result("a"), user("ask-2")],
    "null arguments": [user("ask-1"), assistant("", ("a", "null")), result("a")],
    "list of nothing": [user("ask-1"), assistant("", ("a", "[]")), result("a")],
    "list": [user("ask-1"), assistant("", ("a", '["value-a"]')), result("a")],
    "cut arguments": [user("ask-1"), assistant("", ("a", '{"path": "value-a')), result("a")],
    "number": [user("ask-1"), assistant("", ("a", "1234567")), result("a")],
    "deep arguments": [user("ask-1"), assistant("", ("a", "[" * 500)), result("a")],
}


def texts(history: list[dict[str, Any]]) -> list[str]:
    """What of a conversation the model has to see, in its order."""
    found = []
    for message in history:
        if message["content"]:
            found.append(message["content"])
        for call in message.get("tool_calls", ()):
            found += [
                call["function"]["name"],
                *(["value-a"] if "value-a" in call["function"]["arguments"] else []),
            ]
    return found


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Prompts]]:
    made = {name: reader(tmp_path_factory.mktemp(name), name) for name in STYLES}
    yield made
    for each in made.values():
        each.close()


def reader(folder: Path, style: str, template: str | None = None) -> Prompts:
    """The prompts of a model with such a template."""
    specials = STYLES[style].specials
    byte_tokenizer(list(specials)).save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": specials[0],
        "eos_token": specials[-1],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text(template or STYLES[style].template)
    tokenizer = tokenizer_utils.load(folder, {"trust_remote_code": False})
    return Prompts(LanguageModel(None, tokenizer, {}, {}, 8192, 0, 300))


def rendered(prompts: Prompts, history: list[dict[str, Any]], **fields: Any) -> str:
    [prompt] = prompts.read(typed({"messages": history, **fields}))
    text: str = prompts._tokenizer.decode(prompt.tokens)
    return text


@pytest.mark.parametrize("style", STYLES)
def test_every_history_is_taken_and_shown(prompts: dict[str, Prompts], style: str) -> None:
    for name, history in HISTORIES.items():
        text = rendered(prompts[style], history)
        wanted = texts(history)
        if name == "call with words" and style in ("mistral", "llama"):
            wanted.remove("answer-1")  # these families' own templates show either
        if name.startswith("two calls"):
            # Calls made at once may be told as made one after the other.
            assert all(each in text for each in wanted), (name, text)
            continue
        place = 0
        for each in wanted:
            place = text.find(each, place)
            assert place >= 0, f"{name}: {each} is not where it belongs in {text}"


@pytest.mark.parametrize("style", STYLES)
def test_the_beginning_stays_as_the_conversation_grows(prompts: dict[str, Prompts], style: str) -> None:
    """What was rendered for the beginning begins what is rendered later, but for the end of its last message."""
    for name, history in HISTORIES.items():
        grown = [*history, assistant("answer-8"), user("ask-8"), user("ask-9"), system("rule-9")]
        first = rendered(prompts[style], history, add_generation_prompt=False)
        last = max((first.rfind(each) for each in texts(history)), default=0)
        assert rendered(prompts[style], grown).startswith(first[:last]), name


@pytest.mark.parametrize("style", ["hermes", "mistral", "llama", "glm"])
def test_what_a_template_takes_is_rendered_as_it_is(prompts: dict[str, Prompts], style: str) -> None:
    history = [system("rule-1"), user("ask-1"), assistant("answer-1"), user("ask-2")]
    tokenizer = prompts[style]._tokenizer
    expected = tokenizer.apply_chat_template(history, add_generation_prompt=True, tokenize=False)
    assert rendered(prompts[style], history) == expected


@pytest.mark.parametrize("style", STYLES)
def test_tools_are_shown_whatever_the_template(prompts: dict[str, Prompts], style: str) -> None:
    for history in ([user("ask-1")], [system("rule-1"), user("ask-1")], [*TWO, user("ask-2")]):
        text = rendered(prompts[style], history, tools=[TOOL])
        assert all(each in text for each in ('"look"', "looks", "ask-1"))
    own = style not in ("gemma", "deepseek", "plain")
    assert ("<tools>" in rendered(prompts[style], [user("ask-1")], tools=[TOOL])) is not own


def test_a_call_of_the_model_is_shown_as_the_model_writes_it(prompts: dict[str, Prompts]) -> None:
    assert '{"path": "value-a' in rendered(prompts["hermes"], HISTORIES["cut arguments"])
    assert "<parameter=path>value-a</parameter>" in rendered(prompts["coder"], ONE)
    assert '<parameter=arguments>{"path": "value-a</parameter>' in rendered(
        prompts["coder"], HISTORIES["cut arguments"]
    )
    assert '<call>look_a\n{"path": "value-a"}</call>' in rendered(prompts["deepseek"], ONE)
    assert "<tool_call>" in rendered(prompts["gemma"], ONE)


def test_calls_at_once_follow_each_other_where_one_is_allowed(prompts: dict[str, Prompts]) -> None:
    text = rendered(prompts["llama"], HISTORIES["two calls, other order"])
    order = [text.index(each) for each in ("look_a", "result-a", "look_b", "result-b", "answer-1")]
    assert order == sorted(order)


@pytest.mark.parametrize("style", STYLES)
def test_a_last_message_goes_on(prompts: dict[str, Prompts], style: str) -> None:
    history = [system("rule-1"), user("ask-1"), assistant("The answer ")]
    text = rendered(prompts[style], history, continue_final_message=True)
    assert text.endswith("The answer ") or text.endswith("The answer")
    assert rendered(prompts[style], history, continue_final_message=True).startswith(
        rendered(prompts[style], history[:2], add_generation_prompt=False)[:-40]
    )


def test_reasoning_goes_on_and_what_follows_it_is_content(prompts: dict[str, Prompts]) -> None:
    glm = prompts["glm"]
    thinks = said("assistant", "", reasoning_content="Let me")
    [prompt] = glm.read(typed({"messages": [user("ask-1"), thinks], "continue_final_message": True}))
    assert glm._tokenizer.decode(prompt.tokens).endswith("<think>Let me")
    assert prompt.state == REASONING
    thought = said("assistant", "It is", reasoning_content="Let me see.")
    [prompt] = glm.read(typed({"messages": [user("ask-1"), thought], "continue_final_message": True}))
    assert glm._tokenizer.decode(prompt.tokens).endswith("<think>Let me see.</think>It is")
    assert prompt.state == CONTENT
    [prompt] = glm.read(
        typed({"messages": [user("ask-1"), assistant("<think>Hm")], "continue_final_message": True})
    )
    assert prompt.state == REASONING


def test_what_nothing_mends_is_refused_with_the_templates_words(tmp_path: Path) -> None:
    with (
        closing(reader(tmp_path, "hermes", "{{ raise_exception('not today') }}")) as strict,
        pytest.raises(InvalidRequest, match="not today") as caught,
    ):
        strict.read(typed({"messages": [user("ask-1"), user("ask-2")]}))
    assert (caught.value.status, caught.value.param) == (400, "messages")


#: Mistral Nemo shows the system message only with a last message of the user, DeepSeek R1 only the last of several.
NEMO = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{% set system = messages[0].content %}"
    "{% set messages = messages[1:] %}{% endif %}{% for m in messages %}{% if m.role == 'user' %}[INST]"
    "{% if loop.last and system is defined %}{{ system }}\n\n{% endif %}{{ m.content }}[/INST]"
    "{% elif m.tool_calls %}[TOOL_CALLS]{{ m.tool_calls|tojson }}{{ eos_token }}"
    "{% elif m.role == 'tool' %}[TOOL_RESULTS]{{ m.content }}[/TOOL_RESULTS]"
    "{% elif m.role == 'assistant' %}{{ m.content }}{{ eos_token }}"
    "{% else %}{{ raise_exception('an unknown role') }}{% endif %}{% endfor %}"
)
R1 = (
    "{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %}"
    "{% set ns.system = m.content %}{% endif %}{% endfor %}{{ bos_token }}{{ ns.system }}"
    "{% for m in messages if m.role != 'system' %}<|{{ m.role }}|>{{ m.content }}{{ eos_token }}{% endfor %}"
)


@pytest.mark.parametrize("template", [NEMO, R1], ids=["nemo", "r1"])
def test_no_system_message_is_lost(tmp_path: Path, template: str) -> None:
    prompts = reader(tmp_path, "mistral", template)
    try:
        for history in (
            [system("rule-1")],
            [system("rule-1"), *ONE],
            [system("rule-1"), *ONE, assistant("answer-1"), user("ask-2")],
            [system("rule-1"), user("ask-1"), assistant("answer-1"), system("rule-2"), user("ask-2")],
        ):
            text = rendered(prompts, history)
            assert all(text.count(message["content"]) == 1 for message in history if message["content"]), text
    finally:
        prompts.close()
