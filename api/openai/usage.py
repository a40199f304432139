"""What answers with text have in common: the tokens they took, and what made them."""

from typing import Any

from typing_extensions import TypedDict

from config import VERSION


class PromptTokens(TypedDict):
    """`cached_tokens` were not read anew."""

    cached_tokens: int


class CompletionTokens(TypedDict):
    """The predictions are those of a draft model."""

    reasoning_tokens: int
    accepted_prediction_tokens: int
    rejected_prediction_tokens: int


class Usage(TypedDict):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokens
    completion_tokens_details: CompletionTokens


FINGERPRINT = f"mlxq-{VERSION}"

#: What a worker counts only where it makes sense.
_DETAILS = ("reasoning_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens")


def usage(counts: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's usage from a result's."""
    prompt, completion = int(counts["prompt_tokens"]), int(counts["completion_tokens"])
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": int(counts.get("cached_tokens", 0))},
        "completion_tokens_details": {name: int(counts.get(name, 0)) for name in _DETAILS},
    }
