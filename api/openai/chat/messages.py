"""Chat messages: what clients send, and the plain form that every chat template understands."""

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from api.http.bodies.fields import RequestModel
from api.inputs.content import Content, invalid_message
from api.inputs.functions import Arguments
from jobs.payloads import Message as PlainMessage

#: Roles that templates do not know, and the one that means the same to a model.
_ROLES = {"developer": "system", "function": "tool"}


class FunctionCall(RequestModel):
    name: str = Field(min_length=1)
    arguments: Arguments = ""


class ToolCall(RequestModel):
    id: str | None = None
    type: Literal["function"] | None = "function"
    function: FunctionCall

    def plain(self, number: int) -> dict[str, object]:
        """`number` is its place among all calls of the conversation, which names a call without an id."""
        return {
            "id": self.id or f"call_{number}",
            "type": "function",
            "function": self.function.model_dump(),
        }


class Message(RequestModel):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Content = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    function_call: FunctionCall | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking: str | None = None
    refusal: str | None = None
    prefix: bool | None = None

    @model_validator(mode="after")
    def _has_something_to_say(self) -> "Message":
        if self.content is None and not self._may_be_empty:
            raise invalid_message(
                "content may only be null in an assistant message with tool_calls or reasoning"
            )
        if self.has_images and self.role != "user":
            raise invalid_message("only messages of the role 'user' may hold images or files")
        return self

    @property
    def _may_be_empty(self) -> bool:
        if self.role in ("tool", "function"):
            return True
        return self.role == "assistant" and bool(self.calls or self.refusal or self.thoughts)

    @property
    def calls(self) -> list[ToolCall]:
        """Its calls; `function_call` is how they were written before there were `tool_calls`."""
        if self.tool_calls or self.function_call is None:
            return self.tool_calls or []
        return [ToolCall(function=self.function_call)]

    @property
    def thoughts(self) -> str | None:
        """What an assistant's message was thought before: servers have three names for it."""
        return self.reasoning_content or self.reasoning or self.thinking

    @property
    def has_images(self) -> bool:
        return isinstance(self.content, list)

    def plain(self, number: int = 0) -> PlainMessage:
        """The message as a chat template takes it; absent fields are left out.

        `content` is a string, or with images a list of {"type": "text", "text"} and
        {"type": "image_url", "url"}. `number`: how many calls the messages before it hold.
        """
        message: PlainMessage = {
            "role": _ROLES.get(self.role, self.role),
            "content": self.refusal or "" if self.content is None else self.content,
        }
        if (name := self.name or self.tool_name) is not None:
            message["name"] = name
        if self.calls:
            message["tool_calls"] = [call.plain(number + place) for place, call in enumerate(self.calls)]
        if self.tool_call_id is not None:
            message["tool_call_id"] = self.tool_call_id
        if self.thoughts is not None:
            message["reasoning_content"] = self.thoughts
        return message


def plain_messages(messages: Sequence[Message]) -> list[PlainMessage]:
    """The conversation as templates take it. A result without an id belongs to the first call without a result,
    of its function if it names one.
    """
    plain: list[PlainMessage] = []
    open_calls: dict[str, str] = {}
    by_name: defaultdict[str, deque[str]] = defaultdict(deque)
    number = 0
    for each in messages:
        message = each.plain(number)
        for call in message.get("tool_calls", ()):
            number += 1
            open_calls[call["id"]] = call["function"]["name"]
            by_name[call["function"]["name"]].append(call["id"])
        if message["role"] == "tool":
            call_id = message.get("tool_call_id")
            if not call_id and "name" in message:
                ids = by_name[message["name"]]
                while ids and ids[0] not in open_calls:
                    ids.popleft()
                call_id = ids[0] if ids else None
            elif not call_id:
                call_id = next(iter(open_calls), None)
            if call_id:
                open_calls.pop(call_id, None)
                message["tool_call_id"] = call_id
        plain.append(message)
    return plain
