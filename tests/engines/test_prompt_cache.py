"""The prompt cache finds the longest known beginning, keeps to its bounds, and is never changed by its readers."""

from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models.cache import ArraysCache, CacheList, KVCache

from worker.engines.llm.prompt_cache import SHORTEST, PromptCache

HEAD = list(range(SHORTEST))


def layers(tokens: list[int]) -> list[Any]:
    """Two layers that hold, at each position, the token that was read there."""
    made = []
    for _ in range(2):
        cache = KVCache()
        values = mx.array(tokens, dtype=mx.float32).reshape(1, 1, -1, 1)
        cache.update_and_fetch(values, values)
        made.append(cache)
    return made


def held(cache: list[Any]) -> list[int]:
    """The tokens that a cache holds."""
    keys = cache[0].keys[..., : cache[0].offset, :]
    return [int(token) for token in keys.reshape(-1).tolist()]


def cache_of(*prompts: list[int], max_bytes: int = 1 << 20, max_entries: int = 9) -> PromptCache:
    cache = PromptCache(max_bytes, max_entries)
    for tokens in prompts:
        cache.insert(tokens, layers(tokens))
    return cache


@pytest.mark.parametrize(
    ("known", "asked", "length"),
    [
        ([], HEAD, 0),
        ([[*HEAD, 1, 2, 3]], [*HEAD, 1, 2, 3], SHORTEST + 3),
        ([[*HEAD, 1, 2, 3]], [*HEAD, 1, 2, 3, 4], SHORTEST + 3),
        ([[*HEAD, 1, 2, 3]], [*HEAD, 1, 9], SHORTEST + 1),
        ([[*HEAD, 1], [*HEAD, 2, 5], [*HEAD, 2, 6, 7]], [*HEAD, 2, 6, 8], SHORTEST + 2),
        ([[*HEAD, 1]], [9, *HEAD], 0),
        ([[*HEAD, 1]], HEAD[:-1], 0),
    ],
)
def test_the_longest_common_beginning(known: list[list[int]], asked: list[int], length: int) -> None:
    found, count = cache_of(*known).fetch(asked)
    assert count == length
    assert (found is not None) == (length > 0)
    if found is not None:
        assert held(found) == asked[:length]


def test_a_reader_that_goes_on_does_not_change_what_is_kept() -> None:
    cache = cache_of([*HEAD, 1, 2, 3])
    found, _ = cache.fetch([*HEAD, 1, 7])
    assert found is not None
    more = mx.array([7.0, 8.0, 9.0]).reshape(1, 1, -1, 1)
    for layer in (layer.merge([layer]) for layer in found):
        layer.update_and_fetch(more, more)
    again, count = cache.fetch([*HEAD, 1, 2, 3, 4])
    assert again is not None
    assert (count, held(again)) == (SHORTEST + 3, [*HEAD, 1, 2, 3])


def test_what_a_longer_entry_covers_is_not_kept_twice() -> None:
    cache = cache_of([*HEAD, 1], [*HEAD, 1, 2], [*HEAD, 3], [*HEAD, 1, 2])
    assert len(cache) == 2


def test_the_least_recently_used_goes_first_when_there_are_too_many() -> None:
    cache = cache_of([*HEAD, 1], [*HEAD, 2], max_entries=2)
    cache.fetch([*HEAD, 1])
    cache.insert([*HEAD, 3], layers([*HEAD, 3]))
    assert cache.fetch([*HEAD, 1])[1] == SHORTEST + 1
    assert cache.fetch([*HEAD, 2])[1] == SHORTEST


def test_bytes_are_bounded_and_given_back() -> None:
    size = sum(layer.nbytes for layer in layers([*HEAD, 1]))
    cache = cache_of(*([*HEAD, n] for n in range(8)), max_bytes=3 * size)
    assert len(cache) == 3
    assert cache.nbytes == 3 * size
    cache.clear()
    assert (cache.nbytes, len(cache)) == (0, 0)
    assert len(cache_of([*HEAD, 1], max_bytes=size - 1)) == 0


def test_a_cache_that_can_not_be_trimmed_serves_only_what_goes_on_from_it() -> None:
    tokens = [*HEAD, 1, 2]
    state = ArraysCache(1)
    state[0] = mx.ones((1, 2))
    cache = PromptCache(1 << 20, 9)
    cache.insert(tokens, [CacheList(layers(tokens)[0], state)])
    assert cache.fetch([*HEAD, 1, 9]) == (None, 0)
    found, count = cache.fetch([*tokens, 3])
    assert found is not None
    assert count == len(tokens)
    found[0].caches[1][0] = mx.zeros((1, 2))
    assert state[0].tolist() == [[1, 1]]
