"""Penalties as llama.cpp and Ollama have them: one number says how far back all of them look."""

from typing import Any

from api.http.bodies.fields import MAX_COUNT


def penalties(
    last: int | None, *, repeat: float | None, presence: float | None, frequency: float | None
) -> dict[str, Any]:
    """The fields of a payload. `last`: tokens that count; 0 turns the penalties off, below 0 all tokens count."""
    if last == 0:
        return {"repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
    window = MAX_COUNT if last is not None and last < 0 else last
    return {
        "repetition_penalty": repeat,
        "repetition_context_size": window,
        "presence_penalty": presence,
        "presence_context_size": window,
        "frequency_penalty": frequency,
        "frequency_context_size": window,
    }


#: Samplers that mlxq does not have, with the values that turn them off.
MISSING_SAMPLERS: dict[str, object] = {
    "typical_p": 1.0,
    "mirostat": 0,
    "tfs_z": 1.0,
    "top_n_sigma": -1.0,
    "dynatemp_range": 0.0,
    "dry_multiplier": 0.0,
}
