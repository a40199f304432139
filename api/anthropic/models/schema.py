"""Anthropic's models: those that answer messages."""

from typing import Literal

from typing_extensions import TypedDict


class ModelInfo(TypedDict):
    """`created_at` is an RFC 3339 time; sizes are in tokens."""

    type: Literal["model"]
    id: str
    display_name: str
    created_at: str
    lifecycle: Literal["active"]
    max_input_tokens: int | None
    max_tokens: int | None
    capabilities: None
    line: None
    deprecated_at: None
    retires_at: None


class ModelPage(TypedDict):
    data: list[ModelInfo]
    has_more: bool
    first_id: str | None
    last_id: str | None
