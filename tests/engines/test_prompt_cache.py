"""The prompt cache finds the longest known beginning, keeps to its bounds, and is never changed by its readers."""

from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models.cache import ArraysCache, CacheList, KVCache, RotatingKVCache

from config.settings import Settings
from worker.engines.llm.prompt_cache import (
    SHORTEST,
    CachedPrompt,
    PromptCache,
    arrays_of,
    cache_limit,
    state_of,
)

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


def cache_of(*prompts: list[int], max_bytes: int = 1 << 20) -> PromptCache:
    cache = PromptCache(lambda own: max_bytes)
    for tokens in prompts:
        insert(cache, tokens)
    return cache


def insert(cache: PromptCache, tokens: list[int]) -> None:
    cache.insert(CachedPrompt(tokens, layers(tokens)))


def known(cache: PromptCache, tokens: list[int]) -> int:
    """How many of these tokens are cached."""
    found = cache.fetch(tokens)
    return found.length if found else 0


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
    found = cache_of(*known).fetch(asked)
    assert (found is not None) == (length > 0)
    if found is not None:
        assert found.length == length
        assert held(found.layers) == asked[:length]


def test_the_longest_common_beginning_among_many() -> None:
    prompts = [[*HEAD, *(n >> bit & 1 for bit in range(6))] for n in range(64)]
    cache = cache_of(*prompts[::3])
    for asked in prompts:
        found = cache.fetch(asked)
        assert found is not None
        assert found.length == max(_common(asked, other) for other in prompts[::3])


def _common(one: list[int], other: list[int]) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=True)) if a != b), len(one))


def test_a_reader_that_goes_on_does_not_change_what_is_kept() -> None:
    cache = cache_of([*HEAD, 1, 2, 3])
    found = cache.fetch([*HEAD, 1, 7])
    assert found is not None
    more = mx.array([7.0, 8.0, 9.0]).reshape(1, 1, -1, 1)
    for layer in (layer.merge([layer]) for layer in found.layers):
        layer.update_and_fetch(more, more)
    again = cache.fetch([*HEAD, 1, 2, 3, 4])
    assert again is not None
    assert (again.length, held(again.layers)) == (SHORTEST + 3, [*HEAD, 1, 2, 3])


def test_a_reader_of_a_short_beginning_gets_no_more_than_that() -> None:
    cache = cache_of([*HEAD, *range(1000)])
    found = cache.fetch([*HEAD, 0, 1, 9])
    assert found is not None
    assert [layer.keys.shape[2] for layer in found.layers] == [found.length] * 2


def test_what_a_longer_entry_covers_is_not_kept_twice() -> None:
    cache = cache_of([*HEAD, 1], [*HEAD, 1, 2], [*HEAD, 3], [*HEAD, 1, 2], [*HEAD, 1])
    assert len(cache) == 2


def test_what_costs_as_much_goes_in_the_order_of_its_last_use() -> None:
    size = sum(layer.nbytes for layer in layers([*HEAD, 1]))
    cache = cache_of([*HEAD, 1], [*HEAD, 2], max_bytes=2 * size)
    cache.fetch([*HEAD, 1])
    insert(cache, [*HEAD, 3])
    assert known(cache, [*HEAD, 1]) == SHORTEST + 1
    assert known(cache, [*HEAD, 2]) == SHORTEST


def recurrent(tokens: list[int], checkpoints: tuple[int, ...] = ()) -> CachedPrompt:
    """A prompt whose state has the same size whatever its length: the sum of its tokens."""

    def state(length: int) -> ArraysCache:
        made = ArraysCache(1)
        made[0] = mx.full((1, 2), sum(tokens[:length]))
        return made

    return CachedPrompt(
        tokens, [state(len(tokens))], {length: state_of([state(length)]) for length in checkpoints}
    )


@pytest.mark.parametrize(("others", "stays"), [(3, True), (20, False)])
def test_what_costs_more_to_read_again_stays_longer_but_not_for_ever(others: int, stays: bool) -> None:
    cache = PromptCache(lambda own: 16)
    long = [*HEAD, *range(80)]
    cache.insert(recurrent(long))
    for n in range(others):
        cache.insert(recurrent([*HEAD, 1000 + n]))
    assert len(cache) == 2
    assert known(cache, long) == (len(long) if stays else 0)
    assert known(cache, [*HEAD, 1000 + others - 1]) == SHORTEST + 1


def test_an_entry_goes_first_whose_beginning_a_newer_one_has_too() -> None:
    size = sum(layer.nbytes for layer in layers([*HEAD, *range(8)]))
    other, turn = [*HEAD[::-1], *range(8)], [*HEAD, *range(6)]
    cache = cache_of(other, [*turn, 7, 8], max_bytes=3 * size)
    insert(cache, [*turn, 9, 9])
    insert(cache, [50, *HEAD, *range(7)])
    assert known(cache, other) == len(other)
    assert known(cache, [*turn, 9, 9]) == len(turn) + 2
    assert known(cache, [*turn, 7, 8]) == len(turn)


def test_bytes_are_bounded_and_given_back() -> None:
    size = sum(layer.nbytes for layer in layers([*HEAD, 1]))
    cache = cache_of(*([*HEAD, n] for n in range(8)), max_bytes=3 * size)
    assert len(cache) == 3
    assert cache.nbytes == 3 * size
    cache.clear(size + 1)
    assert cache.nbytes == size
    cache.clear(3 * size)
    assert cache.nbytes == 0
    insert(cache, [*HEAD, 1])
    cache.clear()
    assert (cache.nbytes, len(cache)) == (0, 0)
    assert len(cache_of([*HEAD, 1], max_bytes=size - 1)) == 0


def test_the_cache_gets_a_share_of_the_memory_that_is_left() -> None:
    used = 0
    limit = cache_limit(Settings(memory_budget_gb=1), lambda: used)
    assert limit(0) == 2**29
    used = 2**29
    assert limit(0) == 2**28
    # Its own bytes are no reason to shrink it.
    assert limit(2**28) == 2**28 + 2**27
    used = 2**31
    assert limit(0) == 0
    assert cache_limit(Settings(prompt_cache_mb=3), lambda: used)(0) == 3 << 20


def test_a_cache_that_can_not_be_trimmed_serves_only_what_goes_on_from_it() -> None:
    tokens = [*HEAD, 1, 2]
    state = ArraysCache(1)
    state[0] = mx.ones((1, 2))
    cache = PromptCache(lambda own: 1 << 20)
    cache.insert(CachedPrompt(tokens, [CacheList(layers(tokens)[0], state)]))
    assert known(cache, [*HEAD, 1, 9]) == 0
    found = cache.fetch([*tokens, 3])
    assert found is not None
    assert found.length == len(tokens)
    found.layers[0].caches[1][0] = mx.zeros((1, 2))
    assert state[0].tolist() == [[1, 1]]


def test_a_checkpoint_serves_what_differs_after_it() -> None:
    tokens = [*HEAD, 1, 2, 3, 4]
    cache = PromptCache(lambda own: 1 << 20)
    cache.insert(recurrent(tokens, (SHORTEST, SHORTEST + 2)))
    for asked, length in (
        ([*HEAD, 1, 2, 9], SHORTEST + 2),
        ([*HEAD, 1, 9], SHORTEST),
        (tokens, SHORTEST + 4),
    ):
        found = cache.fetch(asked)
        assert found is not None
        assert found.length == length
        assert found.layers[0][0].tolist() == [[sum(asked[:length])] * 2]
        assert sorted(found.checkpoints) == [n for n in (SHORTEST, SHORTEST + 2, SHORTEST + 4) if n <= length]


def test_a_checkpoint_within_a_layer_of_two_kinds_shares_what_can_be_trimmed() -> None:
    tokens, point = [*HEAD, 1, 2, 3, 4], SHORTEST + 1
    now, then = (ArraysCache(1) for _ in range(2))
    now[0], then[0] = mx.ones((1, 2)), mx.zeros((1, 2))
    early = state_of([CacheList(layers(tokens[:point])[0], then)])
    cache = PromptCache(lambda own: 1 << 20)
    whole = CacheList(layers(tokens)[0], now)
    cache.insert(CachedPrompt(tokens, [whole], {point: early}))
    assert cache.nbytes == whole.nbytes + then.nbytes
    found = cache.fetch([*HEAD, 1, 9])
    assert found is not None
    plain, state = found.layers[0].caches
    assert (held([plain]), state[0].tolist()) == (tokens[:point], [[0, 0]])
    assert now[0].tolist() == [[1, 1]]


def test_a_conversation_takes_the_place_of_its_earlier_turns() -> None:
    cache = PromptCache(lambda own: 1 << 20)
    tokens, size = list(HEAD), 0
    for turn in range(8):
        found = cache.fetch(tokens)
        tokens = [*tokens, turn, turn]
        points = tuple(found.checkpoints) if found else ()
        cache.insert(recurrent(tokens, points))
        assert len(cache) == 1
        size = max(size, cache.nbytes)
    # The states of a few turns are kept, not those of all.
    assert size == 8 * 5
    assert known(cache, tokens[:-1]) == len(tokens) - 2


def test_a_window_is_copied_before_it_moves_on() -> None:
    tokens = list(range(12))
    window = RotatingKVCache(max_size=8)
    values = mx.array(tokens, dtype=mx.float32).reshape(1, 1, -1, 1)
    window.update_and_fetch(values, values)
    state = state_of([window])
    for n in range(20):
        window.update_and_fetch(mx.full((1, 1, 1, 1), 100.0 + n), mx.full((1, 1, 1, 1), 100.0 + n))
    assert state[0].keys.reshape(-1).tolist() == tokens
    assert state[0].offset == len(tokens)


def test_a_state_does_not_hold_the_array_that_it_is_a_part_of() -> None:
    rows = ArraysCache(1)
    rows[0] = mx.zeros((64, 1 << 14))
    mx.eval(rows[0])
    before = mx.get_active_memory()
    state = state_of([rows.extract(3)])
    mx.eval(*arrays_of(state))
    del rows
    assert mx.get_active_memory() <= before - 60 * 4 * (1 << 14)
    assert state[0].nbytes == 4 * (1 << 14)
