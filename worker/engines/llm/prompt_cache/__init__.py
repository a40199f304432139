"""The prompt cache: key-value caches of earlier prompts, by their tokens."""

from worker.engines.llm.prompt_cache.entry import CachedPrompt, alias
from worker.engines.llm.prompt_cache.memory import SHORTEST, PromptCache

__all__ = ["SHORTEST", "CachedPrompt", "PromptCache", "alias"]
