"""From the items of a request to the messages that chat templates know.

The parts of one turn of the model (its thoughts, its text, its calls) are items of their own in Responses, and one
message in a chat.
"""

from collections.abc import Iterable
from typing import Any

import orjson

from api.inputs.opaque import opened
from api.openai.responses.client_tools import call_arguments
from api.openai.responses.items import (
    CALLS,
    HOSTED,
    RESULTS,
    CompactionItem,
    CustomCallItem,
    FunctionCallItem,
    InputItem,
    MessageItem,
    OtherItem,
    OutputItem,
    ReasoningItem,
    ReferenceItem,
    ToolsItem,
)
from api.openai.responses.tools import ToolParam, flat_name
from jobs.payloads import Message

#: What a template knows these roles as.
_ROLES = {"developer": "system"}
#: What the model reads of a result that is an image: the image follows as the user's.
_SHOWN = "The result is an image, which follows."


class Conversation:
    """Add items in their order; then `messages`, and `tools` that came as items.

    `unread`: what no model was told, in words.
    """

    def __init__(self, instructions: str | None = None) -> None:
        self.messages: list[Message] = []
        self.tools: list[tuple[str, ToolParam]] = []
        self.unread: dict[str, None] = {}
        self._turn: Message | None = None
        self._thoughts: list[str] = []
        self._open_calls: dict[str, None] = {}
        #: images of results, until all results of the turn are told
        self._images: list[dict[str, str]] = []
        self._number = 0
        if instructions:
            self.messages.append({"role": "system", "content": instructions})

    def add(self, items: Iterable[InputItem], field: str = "input") -> None:
        """`field`: where the items stand in the request."""
        for place, item in enumerate(items):
            self._add(item, f"{field}[{place}]")

    def end(self) -> list[Message]:
        """The messages, when all items were added."""
        self._end_turn()
        self._show_images()
        return self.messages

    def _add(self, item: InputItem, place: str) -> None:
        match item:
            case MessageItem(role="assistant"):
                self._said(_text(item.content))
            case MessageItem():
                self._end_turn()
                self._show_images()
                content = _placed(item.content, f"{place}.content")
                if item.role != "user" and isinstance(content, list):
                    self._images += [part for part in content if part["type"] != "text"]
                    content = _text(content)
                self.messages.append({"role": _ROLES.get(item.role, item.role), "content": content})
            case FunctionCallItem():
                self._call(item.call_id, flat_name(item.namespace, item.name), item.arguments)
            case CustomCallItem():
                arguments = orjson.dumps({"input": item.input}).decode()
                self._call(item.call_id, flat_name(item.namespace, item.name), arguments)
            case OutputItem():
                self._result(item.call_id, _placed(item.output, f"{place}.output"))
            case ReasoningItem():
                self._thought(item)
            case ToolsItem():
                self.tools += [(f"{place}.tools[{number}]", tool) for number, tool in enumerate(item.tools)]
                if item.type == "tool_search_output":
                    self._result(item.call_id, "The tools that were found can be called now.")
            case CompactionItem():
                if (text := opened(item.encrypted_content)) is None:
                    self.unread["a compaction that another server wrote"] = None
                else:
                    self._end_turn()
                    self.messages.append({"role": "user", "content": text})
            case OtherItem():
                self._other(item)
            case ReferenceItem():
                raise ValueError("references are resolved before")

    def _said(self, text: str) -> None:
        turn = self._turn
        if turn is None or turn["content"] or turn.get("tool_calls"):
            turn = self._begin_turn()
        turn["content"] = text

    def _thought(self, item: ReasoningItem) -> None:
        written = item.content or item.summary
        text = "\n\n".join(each.text for each in written) or opened(item.encrypted_content)
        if not text:
            return
        turn = self._turn
        if turn is None or turn["content"] or turn.get("tool_calls"):
            self._begin_turn()
        self._thoughts.append(text)

    def _call(self, call_id: str | None, name: str, arguments: str) -> str:
        call_id = call_id or f"call_{self._number}"
        self._number += 1
        turn = self._turn or self._begin_turn()
        function = {"name": name, "arguments": arguments}
        turn.setdefault("tool_calls", []).append({"id": call_id, "type": "function", "function": function})
        self._open_calls[call_id] = None
        return call_id

    def _result(self, call_id: str | None, output: Any) -> None:
        self._end_turn()
        call_id = call_id or next(iter(self._open_calls), None)
        if isinstance(output, list):
            self._images += [part for part in output if part["type"] != "text"]
            output = _text(output) or _SHOWN
        message: Message = {"role": "tool", "content": output or ""}
        if call_id is not None:
            self._open_calls.pop(call_id, None)
            message["tool_call_id"] = call_id
        self.messages.append(message)

    def _other(self, item: OtherItem) -> None:
        fields = item.fields
        if item.type in CALLS:
            kind = item.type.removesuffix("_call")
            self._call(item.call_id, kind, call_arguments(kind, fields))
        elif item.type in RESULTS:
            self._result(item.call_id, _result_text(fields))
        elif item.type in HOSTED and (result := _own_result(item)) is not None:
            name, arguments, output = result
            self._result(self._call(None, name, arguments), output)
        elif item.type in HOSTED:
            self.unread[f"{item.type} without a result"] = None

    def _begin_turn(self) -> Message:
        self._end_turn()
        self._show_images()
        self._turn = {"role": "assistant", "content": ""}
        return self._turn

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            if self._thoughts:
                turn["reasoning_content"] = "\n\n".join(self._thoughts)
            self.messages.append(turn)
        self._thoughts = []

    def _show_images(self) -> None:
        if self._images:
            self.messages.append({"role": "user", "content": self._images})
            self._images = []


def _text(content: str | list[dict[str, str]] | None) -> str:
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part["type"] == "text")
    return content or ""


def _placed(content: str | list[dict[str, str]] | None, place: str) -> Any:
    """Content whose images know where they stand in the request."""
    if not isinstance(content, list):
        return content
    return [
        part if part["type"] == "text" else {**part, "place": f"{place}[{number}]"}
        for number, part in enumerate(content)
    ]


def _result_text(fields: Any) -> Any:
    """The result of a call that was run elsewhere. A screenshot is an image."""
    output = fields.get("output", fields.get("result"))
    if isinstance(output, dict) and isinstance(url := output.get("image_url"), str):
        return [{"type": "image_url", "url": url}]
    return output if isinstance(output, str) else _json(output)


def _own_result(item: OtherItem) -> tuple[str, str, str] | None:
    """The name, the arguments and the result of a call that has its result itself."""
    fields = item.fields
    kind = item.type.removesuffix("_call")
    match kind:
        case "mcp":
            output = fields.get("output") or fields.get("error")
            arguments = fields.get("arguments")
            if output is None or not isinstance(name := fields.get("name"), str):
                return None
            return name, arguments if isinstance(arguments, str) else "{}", _plain(output)
        case "code_interpreter" if fields.get("outputs"):
            return kind, _json({"code": fields.get("code")}), _plain(fields["outputs"])
        case "file_search" if fields.get("results"):
            return kind, _json({"queries": fields.get("queries")}), _plain(fields["results"])
        case _:
            return None


def _plain(value: object) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    return "" if value is None else orjson.dumps(value).decode()
