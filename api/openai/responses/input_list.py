"""Pages of the items that a response was asked with, in the shapes of OpenAI's answers."""

from typing import Any, Literal

from typing_extensions import TypedDict

from jobs.errors import InvalidRequest


class ResponseInputList(TypedDict):
    """`last_id` is the cursor of the next page."""

    object: Literal["list"]
    data: list[dict[str, object]]
    has_more: bool
    first_id: str
    last_id: str


def listed(
    items: list[dict[str, Any]], *, limit: int, newest_first: bool, after: str | None
) -> ResponseInputList:
    """Raises InvalidRequest for a cursor that is none of the items."""
    if newest_first:
        items = items[::-1]
    if after is not None:
        place = next((number for number, item in enumerate(items) if item["id"] == after), None)
        if place is None:
            raise InvalidRequest("There is no item with the id in 'after'.", param="after")
        items = items[place + 1 :]
    page = [_resource(item) for item in items[:limit]]
    return {
        "object": "list",
        "data": page,
        "has_more": len(items) > limit,
        "first_id": str(page[0]["id"]) if page else "",
        "last_id": str(page[-1]["id"]) if page else "",
    }


def _resource(item: dict[str, Any]) -> dict[str, object]:
    """An item with what OpenAI's answers always have: a status, and content as parts."""
    found = dict(item)
    if found["type"] in ("message", "function_call", "function_call_output", "custom_tool_call"):
        found.setdefault("status", "completed")
    if found["type"] == "custom_tool_call_output":
        found.setdefault("status", "completed")
    if found["type"] == "message":
        found["content"] = _parts(found.get("content"), own=found.get("role") == "assistant")
    if found["type"] == "reasoning":
        found.setdefault("summary", [])
    return found


def _parts(content: Any, *, own: bool) -> list[dict[str, object]]:
    kind = "output_text" if own else "input_text"
    if isinstance(content, str):
        content = [{"type": kind, "text": content}]
    return [_part(part, kind) for part in content or ()]


def _part(part: dict[str, Any], kind: str) -> dict[str, object]:
    found = dict(part)
    if found.get("type") == "text":
        found["type"] = kind
    if found.get("type") == "output_text":
        found = {"annotations": [], "logprobs": [], **found}
    if found.get("type") == "input_image":
        found.setdefault("detail", "auto")
    return found
