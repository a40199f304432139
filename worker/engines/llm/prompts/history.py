"""Adapts conversations that a chat template refuses, or of which it leaves messages out.

OpenAI's API accepts any order of roles; many templates do not. Short probes determine once what a template accepts
(`Traits`). A conversation within that is rendered unchanged. Another one is rendered with the changes that the
traits require; if the template refuses that, unchanged, and then as plain turns of user and assistant. The change of
a message depends only on the template and on the messages before it, so that the prompt cache finds the beginning of
a growing conversation.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypedDict

from jobs.payloads import Message, Tool
from worker.engines.llm.prompts.traits import Refusal, Render, Traits, traits_of

#: Separator of texts that were separate messages.
_GAP = "\n\n"
#: Name of arguments that are no JSON object, for templates that require objects.
_UNREADABLE = "arguments"
#: Mark of the place where a message continues. It never reaches the model.
_END = "MLXQ_THE_MESSAGE_GOES_ON_HERE"
#: Levels of nesting that arguments may have for a template.
_DEEPEST = 64


class _Function(TypedDict):
    name: str
    arguments: object


class _Call(TypedDict):
    """A call in a message."""

    id: str
    type: str
    function: _Function


def readable(messages: list[Message], *, short_ids: bool) -> list[Message]:
    """Messages in the form that templates share: arguments as objects, and results with the names of their calls.

    `short_ids`: ids of calls become nine letters and digits. Arguments that are no JSON object stay text; missing and
    empty ones are an empty object.
    """
    names: dict[str, str] = {}
    formed = []
    for message in messages:
        message = dict(message)
        if calls := message.get("tool_calls"):
            names |= {call["id"]: call["function"]["name"] for call in calls}
            message["tool_calls"] = [_call(call, short_ids) for call in calls]
        if call_id := message.get("tool_call_id"):
            if call_id in names:
                message.setdefault("name", names[call_id])
            message["tool_call_id"] = _short(call_id) if short_ids else call_id
        formed.append(message)
    return formed


class Histories:
    """The conversations of one template. `probe` renders without a request's own options."""

    def __init__(self, probe: Render) -> None:
        self.traits, self._likely = traits_of(probe)

    def render(self, messages: list[Message], tools: list[Tool] | None, render: Render) -> str:
        """The prompt's text. Raises Refusal, with the template's error for the unchanged messages."""
        if tools and not self.traits.tools:
            messages, tools = with_tools(messages, tools), None
        refusal = Refusal()
        tried: list[list[Message]] = []
        for each in (self._likely, self.traits, None, Traits()):
            adapted = messages if each is None else adapt(messages, each)
            if adapted in tried:
                continue
            tried.append(adapted)
            try:
                return render(adapted, tools)
            except Refusal as error:
                if adapted == messages:
                    refusal = error
        raise refusal


def opened(messages: list[Message]) -> list[Message]:
    """The conversation with a mark where its last message, or only its reasoning, continues: `cut` finds it."""
    last = dict(messages[-1])
    field = "content" if last["content"] or not last.get("reasoning_content") else "reasoning_content"
    last[field] += _END
    return [*messages[:-1], last]


def cut(text: str) -> str:
    """The text before the mark. Raises Refusal where the template has left the mark out."""
    end = text.rfind(_END)
    if end < 0:
        raise Refusal("it does not show the message that is to be continued")
    return text[:end]


def adapt(messages: list[Message], traits: Traits) -> list[Message]:
    """The conversation without what such a template refuses. The order of the changes is documented
    (docs/chat.md).
    """
    adapted = [dict(message) for message in messages]
    if not traits.calls:
        adapted = list(_calls_as_text(adapted))
    elif traits.arguments == "text" or not traits.broken_arguments:
        adapted = [_with_arguments(message, traits.arguments) for message in adapted]
    if not traits.parallel_calls:
        adapted = list(_one_call_each(adapted))
    if not traits.system_anywhere and adapted[-1]["role"] != "user":
        traits = replace(traits, system=False)
    adapted = list(_systems(adapted, traits))
    if not traits.users_in_a_row:
        adapted = list(_merged(adapted, "user"))
    if not traits.assistants_in_a_row:
        adapted = list(_merged(adapted, "assistant"))
    if not traits.user_after_result:
        adapted = list(_answered(adapted))
    first = next((place for place, message in enumerate(adapted) if message["role"] != "system"), None)
    if not traits.assistant_first and first is not None and adapted[first]["role"] == "assistant":
        adapted.insert(first, {"role": "user", "content": ""})
    return adapted


def with_tools(messages: list[Message], tools: list[Tool]) -> list[Message]:
    """The conversation with its tools in the system prompt, for templates that have no place for them."""
    described = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    text = (
        "# Tools\n\nYou may call one or more functions to assist with the user's request.\n\n"
        f"The functions are described within <tools></tools>:\n<tools>\n{described}\n</tools>\n\n"
        "For each call, return a JSON object with the function's name and its arguments within "
        "<tool_call></tool_call>:\n"
        '<tool_call>\n{"name": <function-name>, "arguments": <object of arguments>}\n</tool_call>'
    )
    if messages and messages[0]["role"] == "system":
        return [{**messages[0], "content": _joined(messages[0]["content"], text)}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def _call(call: _Call, short_ids: bool) -> _Call:
    function = call["function"]
    text = str(function["arguments"])
    try:
        arguments = json.loads(text) if text.strip() else {}
        too_deep = _deeper(arguments, _DEEPEST)
    except (ValueError, RecursionError):
        too_deep, arguments = True, None
    if not too_deep:
        # Arguments that are no object were written by the model, and it may see them.
        read = arguments if isinstance(arguments, dict) else text if arguments else {}
        function = {**function, "arguments": read}
    return {**call, "id": _short(call["id"]) if short_ids else call["id"], "function": function}


def _short(call_id: str) -> str:
    return hashlib.sha256(call_id.encode()).hexdigest()[:9]


def _deeper(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return False
    return levels == 0 or any(_deeper(each, levels - 1) for each in value)


def _with_arguments(message: Message, form: str) -> Message:
    """A message whose calls have arguments of that form: objects, or JSON text."""
    if not message.get("tool_calls"):
        return message
    calls = []
    for call in message["tool_calls"]:
        arguments = call["function"]["arguments"]
        if form == "text" and not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        elif form == "object" and isinstance(arguments, str):
            arguments = {_UNREADABLE: arguments}
        calls.append({**call, "function": {**call["function"], "arguments": arguments}})
    return {**message, "tool_calls": calls}


def _calls_as_text(messages: list[Message]) -> Iterator[Message]:
    """Calls as text of the assistant, results as text of the user; results that follow each other are one message."""
    results: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            results.append(f"<tool_response>\n{message['content']}\n</tool_response>")
            continue
        if results:
            yield {"role": "user", "content": "\n".join(results)}
            results = []
        if message.get("tool_calls"):
            said = [message["content"]] if message["content"] else []
            said += [_written(call["function"]) for call in message["tool_calls"]]
            message = {key: value for key, value in message.items() if key != "tool_calls"}
            message["content"] = "\n".join(said)
        yield message
    if results:
        yield {"role": "user", "content": "\n".join(results)}


def _written(function: _Function) -> str:
    call = {"name": function["name"], "arguments": function["arguments"]}
    return f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>"


def _one_call_each(messages: list[Message]) -> Iterator[Message]:
    """Calls made at once as calls made one after the other, each followed by its result."""
    place = 0
    while place < len(messages):
        message = messages[place]
        place += 1
        calls = message.get("tool_calls") or []
        if len(calls) < 2:
            yield message
            continue
        results: dict[Any, list[Message]] = {}
        while place < len(messages) and messages[place]["role"] == "tool":
            results.setdefault(messages[place].get("tool_call_id"), []).append(messages[place])
            place += 1
        for number, call in enumerate(calls):
            said = message if number == 0 else {"role": "assistant", "content": ""}
            yield {**said, "tool_calls": [call]}
            yield from results.pop(call["id"], [])
        for rest in results.values():
            yield from rest


def _systems(messages: list[Message], traits: Traits) -> Iterator[Message]:
    """System messages at the beginning as one, or as the user's; later ones as the user's, in their place."""
    first: Message | None = None
    contents: list[Any] = []
    leading = True
    for message in [*messages, None]:
        if message is not None and message["role"] == "system" and leading:
            if traits.system and traits.several_systems:
                yield message
            else:
                first = first or message
                contents.append(message["content"])
            continue
        if leading and first is not None:
            first = {**first, "content": _joined(*contents)}
        leading = False
        if message is None:
            break
        if first is not None:
            if traits.system:
                yield first
            elif message["role"] == "user":
                message = {**message, "content": _joined(first["content"], message["content"])}
            else:
                yield {**first, "role": "user"}
            first = None
        if message["role"] == "system" and not (traits.system and traits.late_system):
            message = {**message, "role": "user"}
        yield message
    if first is not None:
        yield first if traits.system else {**first, "role": "user"}


def _merged(messages: list[Message], role: str) -> Iterator[Message]:
    """Messages of that role which follow each other as one. Calls end a message."""
    held: list[Message] = []
    for message in messages:
        if held and message["role"] == role and not held[-1].get("tool_calls"):
            held.append(message)
            continue
        yield from _as_one(held)
        held = [message]
        if message["role"] != role:
            yield message
            held = []
    yield from _as_one(held)


def _as_one(messages: list[Message]) -> Iterator[Message]:
    if messages:
        fields = {name: value for message in messages for name, value in message.items()}
        yield {**fields, "content": _joined(*(message["content"] for message in messages))}


def _answered(messages: list[Message]) -> Iterator[Message]:
    """Inserts an empty assistant message between a result and the next user message."""
    before = None
    for message in messages:
        if before == "tool" and message["role"] == "user":
            yield {"role": "assistant", "content": ""}
        yield message
        before = message["role"]


def _joined(*contents: Any) -> Any:
    """Contents as one; with images they are lists of parts."""
    some = [content for content in contents if content]
    if len(some) < 2:
        return some[0] if some else contents[-1]
    if all(isinstance(content, str) for content in some):
        return _GAP.join(some)
    gap = {"type": "text", "text": _GAP}
    return [part for content in some for part in (gap, *_parts(content))][1:]


def _parts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
