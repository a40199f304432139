"""What waits for Redis is written in fewer events, which tell the same."""

from typing import Any

from jobs.consumer.outbox import Message, _merge
from tests.support.events import EventType, make, plain


def deltas(*data: dict[str, Any]) -> list[dict[str, Any]]:
    messages = [Message("job", "execution", make(EventType.DELTA, index=0, **each)) for each in data]
    told = [plain(message.event) for message in _merge(messages)]
    return [{name: value for name, value in each.items() if name != "type"} for each in told]


def arguments(text: str, **call: Any) -> dict[str, Any]:
    return {"field": "tool_call", "text": text, "call": {"index": 0, **call}}


def test_text_that_goes_on_is_one_delta() -> None:
    assert deltas({"text": "a"}, {"text": "b"}) == [{"index": 0, "text": "ab"}]
    assert len(deltas({"text": "a"}, {"text": "b", "field": "reasoning"})) == 2


def test_arguments_stay_in_pieces_that_can_be_shown() -> None:
    pieces = [arguments("", id="call_1", name="f"), *(arguments(f"word{number} ") for number in range(40))]
    merged = deltas(*pieces)
    assert "".join(each["text"] for each in merged) == "".join(each["text"] for each in pieces)
    assert len(merged) >= 6
    assert [each["call"] for each in merged[:2]] == [{"index": 0, "id": "call_1", "name": "f"}, {"index": 0}]


def test_the_arguments_of_two_calls_are_two() -> None:
    other = {**arguments("{}"), "call": {"index": 1}}
    assert [each["text"] for each in deltas(arguments("{"), arguments("}"), other)] == ["{}", "{}"]
