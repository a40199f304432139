"""The items of a stream while they are written: the events from `output_item.added` to `output_item.done`."""

from abc import ABC, abstractmethod
from typing import Protocol

import orjson

from api.dispatch.sent_answer import AnswerPiece
from api.openai.responses.answer import ItemStatus, ResponseOutputItem, TokenLog
from api.openai.responses.custom_input import CustomInput
from api.openai.responses.events import PieceLog
from api.openai.responses.output import Maker, output_text, token_logs
from jobs.events import CallPart
from jobs.results import ToolCall


class Events(Protocol):
    """Writes numbered events; nothing for those that the client has."""

    def event(self, name: str, /, **data: object) -> bytes: ...

    def take_number(self) -> int: ...

    def known(self, number: int) -> bool: ...


class OpenItem(ABC):
    """One item. `place`: its index in the output."""

    def __init__(self, events: Events, maker: Maker, place: int, item_id: str) -> None:
        self._events, self._maker, self._place, self._id = events, maker, place, item_id

    @abstractmethod
    def takes(self, piece: AnswerPiece) -> bool:
        """Whether a piece belongs to this item."""

    @abstractmethod
    def begin(self) -> bytes: ...

    @abstractmethod
    def add(self, piece: AnswerPiece) -> bytes: ...

    @abstractmethod
    def item(self, status: ItemStatus) -> ResponseOutputItem:
        """The item as it is now."""

    @abstractmethod
    def end(self, whole: ResponseOutputItem) -> bytes: ...

    def _added(self, item: ResponseOutputItem) -> bytes:
        return self._events.event("response.output_item.added", output_index=self._place, item=item)

    def _done(self, item: ResponseOutputItem) -> bytes:
        return self._events.event("response.output_item.done", output_index=self._place, item=item)

    def _event(self, name: str, /, **data: object) -> bytes:
        return self._events.event(name, item_id=self._id, output_index=self._place, **data)

    def _delta_head(self, name: str, /, **data: object) -> bytes:
        """All of a delta's event before its text, which is written once."""
        fields = {"type": name, "item_id": self._id, "output_index": self._place, **data}
        return b"event: %s\ndata: %s" % (name.encode(), orjson.dumps(fields)[:-1] + b',"delta":')

    def _delta(self, head: bytes, text: str) -> bytes:
        number = self._events.take_number()
        if self._events.known(number):
            return b""
        return head + orjson.dumps(text) + b',"sequence_number":%d}\n\n' % number


class OpenMessage(OpenItem):
    def __init__(self, events: Events, maker: Maker, place: int) -> None:
        super().__init__(events, maker, place, maker.message(place, None, "in_progress")["id"])
        self._texts: list[str] = []
        self._logs: list[TokenLog] = []
        self._head = self._delta_head("response.output_text.delta", content_index=0, logprobs=[])

    def takes(self, piece: AnswerPiece) -> bool:
        return piece.field == "content" and piece.call is None

    def begin(self) -> bytes:
        item = self._maker.message(self._place, None, "in_progress")
        part = output_text("")
        return self._added(item) + self._event("response.content_part.added", content_index=0, part=part)

    def add(self, piece: AnswerPiece) -> bytes:
        self._texts.append(piece.text)
        if not piece.logprobs:
            return self._delta(self._head, piece.text)
        logs = token_logs(piece.logprobs)
        self._logs += logs
        return self._event(
            "response.output_text.delta", content_index=0, delta=piece.text, logprobs=_short(logs)
        )

    def item(self, status: ItemStatus) -> ResponseOutputItem:
        return self._maker.message(self._place, "".join(self._texts), status, self._logs)

    def end(self, whole: ResponseOutputItem) -> bytes:
        text = "".join(self._texts)
        part = output_text(text, self._logs)
        return (
            self._event("response.output_text.done", content_index=0, text=text, logprobs=_short(self._logs))
            + self._event("response.content_part.done", content_index=0, part=part)
            + self._done(whole)
        )


class OpenReasoning(OpenItem):
    """Thoughts: a summary, or text."""

    def __init__(self, events: Events, maker: Maker, place: int) -> None:
        super().__init__(events, maker, place, maker.reasoning(place, None, "in_progress")["id"])
        self._texts: list[str] = []
        if maker.summary:
            self._index, self._part, self._type = "summary_index", "reasoning_summary_part", "summary_text"
            self._text = "response.reasoning_summary_text"
        else:
            self._index, self._part, self._type = "content_index", "content_part", "reasoning_text"
            self._text = "response.reasoning_text"
        self._head = self._delta_head(f"{self._text}.delta", **{self._index: 0})

    def takes(self, piece: AnswerPiece) -> bool:
        return piece.field == "reasoning"

    def begin(self) -> bytes:
        item = self._maker.reasoning(self._place, None, "in_progress")
        return self._added(item) + self._parted("added", "")

    def add(self, piece: AnswerPiece) -> bytes:
        self._texts.append(piece.text)
        return self._delta(self._head, piece.text)

    def item(self, status: ItemStatus) -> ResponseOutputItem:
        return self._maker.reasoning(self._place, "".join(self._texts), status)

    def end(self, whole: ResponseOutputItem) -> bytes:
        text = "".join(self._texts)
        done = self._event(f"{self._text}.done", **{self._index: 0}, text=text)
        return done + self._parted("done", text) + self._done(whole)

    def _parted(self, what: str, text: str) -> bytes:
        part = {"type": self._type, "text": text}
        return self._event(f"response.{self._part}.{what}", **{self._index: 0}, part=part)


class OpenCall(OpenItem):
    """A call. Those of tools that the client runs have no deltas."""

    def __init__(self, events: Events, maker: Maker, place: int, call: CallPart) -> None:
        self._number, self._call_id, self._name = call.index, call.id or "", call.name or ""
        self._called = maker.called(self._name)
        super().__init__(events, maker, place, maker.call_id(self._called, place))
        self._arguments: list[str] = []
        self._input = CustomInput() if self._called.kind == "custom" else None
        part = "custom_tool_call_input" if self._input else "function_call_arguments"
        self._head = self._delta_head(f"response.{part}.delta")

    def takes(self, piece: AnswerPiece) -> bool:
        return piece.call is not None and piece.call.index == self._number

    def begin(self) -> bytes:
        return self._added(self._made("", "in_progress"))

    def add(self, piece: AnswerPiece) -> bytes:
        self._arguments.append(piece.text)
        match self._called.kind:
            case "function":
                text = piece.text
            case "custom" if self._input is not None:
                text = self._input.add(piece.text)
            case _:
                text = ""
        return self._delta(self._head, text) if text else b""

    def item(self, status: ItemStatus) -> ResponseOutputItem:
        return self._made("".join(self._arguments), status)

    def end(self, whole: ResponseOutputItem) -> bytes:
        frames = b""
        if whole["type"] == "function_call":
            name, arguments = whole["name"], whole["arguments"]
            frames = self._event("response.function_call_arguments.done", name=name, arguments=arguments)
        elif whole["type"] == "custom_tool_call" and self._input is not None:
            rest = self._input.rest()
            frames = self._delta(self._head, rest) if rest else b""
            frames += self._event("response.custom_tool_call_input.done", input=whole["input"])
        return frames + self._done(whole)

    def _made(self, arguments: str, status: ItemStatus) -> ResponseOutputItem:
        return self._maker.call(self._place, ToolCall(self._call_id, self._name, arguments), status)


def _short(logs: list[TokenLog]) -> list[PieceLog]:
    """Log-probabilities as events have them."""
    return [
        {
            "token": log["token"],
            "logprob": log["logprob"],
            "top_logprobs": [
                {"token": each["token"], "logprob": each["logprob"]} for each in log["top_logprobs"]
            ],
        }
        for log in logs
    ]
