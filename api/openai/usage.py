"""What answers with text have in common: the tokens they took, and what made them."""

from typing_extensions import TypedDict

from config import VERSION
from jobs.results import TextUsage


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


def usage(counts: TextUsage) -> Usage:
    """OpenAI's usage from a result's."""
    return {
        "prompt_tokens": counts.prompt_tokens,
        "completion_tokens": counts.completion_tokens,
        "total_tokens": counts.prompt_tokens + counts.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": counts.cached_tokens},
        "completion_tokens_details": {
            "reasoning_tokens": counts.reasoning_tokens,
            "accepted_prediction_tokens": counts.accepted_prediction_tokens,
            "rejected_prediction_tokens": 0,
        },
    }
