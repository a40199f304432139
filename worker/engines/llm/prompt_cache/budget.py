"""How much memory the prompt cache of a model may take.

This module knows settings and the memory of the machine. It does not know what is cached.
"""

from collections.abc import Callable

from config.settings import Settings
from worker.device import memory_budget, memory_use

#: What the prompt cache takes at most of the memory that nothing else in this process uses. The rest is for running
#: requests, and for further models.
SHARE = 0.5


def cache_limit(
    settings: Settings, used: Callable[[], int] = lambda: memory_use().active
) -> Callable[[int], int]:
    """A function from the bytes that a prompt cache has to those that it may have now.

    `used`: the bytes that MLX holds. Where several models are loaded, each of their caches gets a part.
    """
    fixed = settings.prompt_cache_bytes
    if fixed is not None:
        return lambda own: fixed
    budget = memory_budget(settings)
    return lambda own: max(0, int(SHARE * (budget - used() + own)))
