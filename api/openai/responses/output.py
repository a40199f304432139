"""The items of a response's output: what a model answered, one item for its thoughts, its text and each call.

An item's id is the response's own with its place, so that it can be found again, and is the same whenever it is made.
"""

from collections.abc import Iterator, Mapping
from typing import cast

from msgspec import UNSET

from api.inputs.opaque import sealed
from api.openai.responses.answer import (
    ItemStatus,
    OutputText,
    ResponseClientCall,
    ResponseCustomCall,
    ResponseFunctionCall,
    ResponseMessage,
    ResponseOutputItem,
    ResponseReasoning,
    TokenLog,
)
from api.openai.responses.client_tools import call_fields
from api.openai.responses.custom_input import input_of
from api.openai.responses.dialect import PREFIX
from api.openai.responses.tools import Called
from jobs.events import TokenLogprob
from jobs.results import Choice, ToolCall

#: How ids of items begin, by what they are.
MESSAGE, REASONING = "msg", "rs"
_CALLS = {
    "function": "fc",
    "custom": "ctc",
    "local_shell": "lsh",
    "shell": "sh",
    "apply_patch": "apc",
    "tool_search": "tsc",
}


def item_id(response_id: str, kind: str, place: int) -> str:
    """`kind`: how it begins."""
    return f"{kind}_{response_id.removeprefix(PREFIX)}{place:02d}"


class Maker:
    """Makes the items of one response. `summary`: thoughts are a summary; `seals`: they can be sent back unread."""

    def __init__(
        self, response_id: str, special: Mapping[str, Called], *, summary: bool, seals: bool
    ) -> None:
        self._id, self._special = response_id, special
        self.summary, self._seals = summary, seals

    def called(self, name: str) -> Called:
        """What the client knows a function as. Models forget namespaces where one name is enough."""
        if (found := self._special.get(name)) is not None:
            return found
        same = [each for each in self._special.values() if each.name == name]
        return same[0] if len(same) == 1 else Called("function", name)

    def call_id(self, called: Called, place: int) -> str:
        return item_id(self._id, _CALLS[called.kind], place)

    def message(
        self, place: int, text: str | None, status: ItemStatus, logprobs: list[TokenLog] | None = None
    ) -> ResponseMessage:
        """Without a text it has no content yet."""
        return {
            "id": item_id(self._id, MESSAGE, place),
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": [] if text is None else [output_text(text, logprobs)],
        }

    def reasoning(self, place: int, text: str | None, status: ItemStatus) -> ResponseReasoning:
        item: ResponseReasoning = {
            "id": item_id(self._id, REASONING, place),
            "type": "reasoning",
            "status": status,
            "summary": [{"type": "summary_text", "text": text}] if text is not None and self.summary else [],
        }
        if not self.summary:
            item["content"] = [] if text is None else [{"type": "reasoning_text", "text": text}]
        if self._seals:
            item["encrypted_content"] = None if text is None else sealed(text)
        return item

    def call(self, place: int, call: ToolCall, status: ItemStatus) -> ResponseOutputItem:
        called = self.called(call.name)
        item_id = self.call_id(called, place)
        if called.kind == "function":
            function: ResponseFunctionCall = {
                "id": item_id,
                "type": "function_call",
                "status": status,
                "call_id": call.id,
                "name": called.name,
                "arguments": call.arguments,
            }
            if called.namespace is not None:
                function["namespace"] = called.namespace
            return function
        if called.kind == "custom":
            custom: ResponseCustomCall = {
                "id": item_id,
                "type": "custom_tool_call",
                "status": status,
                "call_id": call.id,
                "name": called.name,
                "input": input_of(call.arguments) if call.arguments else "",
            }
            if called.namespace is not None:
                custom["namespace"] = called.namespace
            return custom
        return cast(
            ResponseClientCall,
            {
                "id": item_id,
                "type": f"{called.kind}_call",
                "status": status,
                "call_id": call.id,
                **call_fields(called.kind, call.arguments),
            },
        )

    def output(self, choice: Choice) -> list[ResponseOutputItem]:
        """All items of an answer. What was cut is incomplete."""
        items = list(self._items(choice))
        if choice.finish_reason == "length" and items:
            items[-1]["status"] = "incomplete"
        return items

    def _items(self, choice: Choice) -> Iterator[ResponseOutputItem]:
        place = 0
        if choice.reasoning:
            yield self.reasoning(place, choice.reasoning, "completed")
            place += 1
        if has_message(choice):
            yield self.message(place, choice.text, "completed", token_logs(choice.logprobs))
            place += 1
        for number, call in enumerate(choice.tool_calls or ()):
            yield self.call(place + number, call, "completed")


def has_message(choice: Choice) -> bool:
    """An answer without text is a message where it is nothing else."""
    if choice.text:
        return True
    return not choice.tool_calls and not (choice.reasoning and choice.finish_reason == "length")


def output_text(text: str, logprobs: list[TokenLog] | None = None) -> OutputText:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs or []}


def token_logs(entries: list[TokenLogprob] | None) -> list[TokenLog]:
    return [
        {
            "token": entry.token,
            "logprob": cast(float, entry.logprob),
            "bytes": entry.bytes,
            "top_logprobs": [
                {"token": each.token, "logprob": cast(float, each.logprob), "bytes": each.bytes}
                for each in ([] if entry.top is UNSET else entry.top)
            ],
        }
        for entry in entries or ()
    ]
