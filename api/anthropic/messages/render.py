"""What a message answers: its blocks, why it ended, and what it used."""

from typing import cast

from msgspec import structs

from api.anthropic.messages.answer import (
    AnswerBlock,
    AnthropicMessage,
    DeltaUsage,
    MessageUsage,
    StopReason,
    Tier,
)
from api.dispatch.renderers import Answered
from api.http.job_options.service_class import ServedTier
from api.inputs.functions import arguments_object
from api.inputs.opaque import sealed
from jobs.meta import Meta
from jobs.results import Choice, TextResult, TextUsage

_TIERS: dict[ServedTier, Tier] = {"default": "standard", "priority": "priority", "flex": "batch"}


class MessageMeta(Meta, frozen=True, kw_only=True):
    """`thoughts`: blocks of thoughts are answered; `shown`: with their text. `max_tokens` is as it was asked."""

    thoughts: bool = False
    shown: bool = False
    max_tokens: int = 0
    tier: ServedTier = "default"


def message(job: Answered[MessageMeta, TextResult]) -> AnthropicMessage:
    """The message of a job."""
    meta, (choice, *_) = job.meta, job.result.choices
    return {
        "id": job.job_id,
        "type": "message",
        "role": "assistant",
        "model": cast(str, meta.model),
        "content": _blocks(choice, meta) if meta.max_tokens else [],
        "stop_reason": stop_reason(choice, job.result.usage, meta),
        "stop_sequence": choice.stop,
        "usage": usage(job.result.usage, meta),
    }


def _blocks(choice: Choice, meta: MessageMeta) -> list[AnswerBlock]:
    blocks: list[AnswerBlock] = []
    if choice.reasoning and meta.thoughts:
        shown = choice.reasoning if meta.shown else ""
        blocks.append({"type": "thinking", "thinking": shown, "signature": sealed(choice.reasoning)})
    if choice.text:
        blocks.append({"type": "text", "text": choice.text, "citations": None})
    for call in choice.tool_calls or ():
        blocks.append(
            {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_object(call.arguments)}
        )
    return blocks


def stop_reason(choice: Choice, counts: TextUsage, meta: MessageMeta) -> StopReason:
    match choice.finish_reason:
        case "tool_calls":
            return "tool_use"
        case "length" if meta.max_tokens and counts.completion_tokens < meta.max_tokens:
            return "model_context_window_exceeded"
        case "length":
            return "max_tokens"
        case _:
            return "end_turn" if choice.stop is None else "stop_sequence"


def usage(counts: TextUsage, meta: MessageMeta) -> MessageUsage:
    return {**delta_usage(counts, meta), "service_tier": _TIERS[meta.tier]}


def delta_usage(counts: TextUsage, meta: MessageMeta) -> DeltaUsage:
    """Anthropic's usage from a result's. What a cache is made of costs nothing more here.

    Where only the cache is wanted, the token that the engine makes is not told.
    """
    if not meta.max_tokens:
        counts = structs.replace(counts, completion_tokens=0, reasoning_tokens=0)
    return {
        "input_tokens": counts.prompt_tokens - counts.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": counts.cached_tokens,
        "output_tokens": counts.completion_tokens,
        "output_tokens_details": {"thinking_tokens": counts.reasoning_tokens},
    }
