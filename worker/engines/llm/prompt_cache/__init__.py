"""The prompt cache: key-value caches of earlier prompts, by their tokens."""

from worker.engines.llm.prompt_cache.budget import cache_limit
from worker.engines.llm.prompt_cache.entry import Beginning, CachedPrompt, Checkpoints
from worker.engines.llm.prompt_cache.layers import alias, arrays_of, needs_checkpoints, state_of
from worker.engines.llm.prompt_cache.memory import SHORTEST, PromptCache

__all__ = [
    "SHORTEST",
    "Beginning",
    "CachedPrompt",
    "Checkpoints",
    "PromptCache",
    "alias",
    "arrays_of",
    "cache_limit",
    "needs_checkpoints",
    "state_of",
]
