"""Anthropic's models: those that answer messages."""

from typing import Literal

from typing_extensions import TypedDict


class Support(TypedDict):
    supported: bool


class EffortSupport(Support):
    low: Support
    medium: Support
    high: Support
    xhigh: Support
    max: Support


class ThinkingTypes(TypedDict):
    adaptive: Support
    between_tools: Support
    disabled: Support
    enabled: Support


class ThinkingSupport(Support):
    types: ThinkingTypes


class ServerToolsSupport(Support):
    code_execution: Support
    web_search: Support


class ModelCapabilities(TypedDict):
    """What a message to this model may ask for. PDFs are read as text, by every model."""

    batch: Support
    citations: Support
    code_execution: Support
    context_management: Support
    effort: EffortSupport
    image_input: Support
    pdf_input: Support
    server_tools: ServerToolsSupport
    structured_outputs: Support
    thinking: ThinkingSupport


class ModelInfo(TypedDict):
    """`created_at` is an RFC 3339 time; sizes are in tokens."""

    type: Literal["model"]
    id: str
    display_name: str
    created_at: str
    lifecycle: Literal["active"]
    max_input_tokens: int | None
    max_tokens: int | None
    capabilities: ModelCapabilities
    line: None
    deprecated_at: None
    retires_at: None


class ModelPage(TypedDict):
    data: list[ModelInfo]
    has_more: bool
    first_id: str | None
    last_id: str | None
