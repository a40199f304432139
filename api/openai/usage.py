"""What answers with text have in common: the tokens they took, and what made them."""

from typing import Any

from config import VERSION

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
