"""Prompts on the disk: the longest beginning is found by a later process, and no damaged file is ever used."""

import os
import shutil
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx.utils import tree_flatten
from mlx_lm.models.cache import (
    ArraysCache,
    CacheList,
    ChunkedKVCache,
    KVCache,
    QuantizedKVCache,
    RotatingKVCache,
)

from worker.engines.llm.prompt_cache import CachedPrompt
from worker.engines.llm.prompt_cache.disk import LEAST_GAIN, SHORTEST_STORED, DiskCache
from worker.engines.llm.prompt_cache.disk_files import PieceFiles
from worker.engines.llm.prompt_cache.disk_pieces import BLOCK
from worker.engines.llm.prompt_cache.disk_room import DiskRoom

#: Five blocks and a few tokens.
PROMPT = [number % 997 for number in range(5 * BLOCK + 7)]
GB = 1 << 30

Make = Callable[[], list[Any]]


def plain() -> list[Any]:
    return [KVCache(), KVCache()]


def read(layers: list[Any], tokens: list[int], dtype: mx.Dtype = mx.bfloat16) -> list[Any]:
    """Have each layer hold, at each position, the token that was read there."""
    for layer in layers:
        if isinstance(layer, CacheList):
            read(list(layer.caches), tokens, dtype)
        elif isinstance(layer, ArraysCache):
            layer[0] = mx.array([[sum(tokens), len(tokens)]], dtype=mx.float32)
        else:
            values = mx.repeat(mx.array(tokens).reshape(1, 1, -1, 1), 64, axis=3).astype(dtype)
            layer.update_and_fetch(values, values + 1)
    mx.eval([layer.state for layer in layers])
    return layers


def held(layers: list[Any]) -> list[Any]:
    """All that the layers hold, with keys and values as far as they count."""
    found = []
    for layer in layers:
        if isinstance(layer, CacheList):
            found.append(held(list(layer.caches)))
        elif isinstance(layer, KVCache):
            keys, values = layer.keys_and_values()
            found.append([keys.tolist(), values.tolist(), layer.offset])
        else:
            state: Any = tree_flatten(layer.state)
            found.append([value.tolist() if isinstance(value, mx.array) else value for _, value in state])
    return found


class Disk:
    """A folder, and caches of it as processes have them one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: list[DiskCache] = []

    def cache(self, make: Make = plain, limit: int = GB, model: str = "model") -> DiskCache:
        room = DiskRoom(self.folder, limit)
        files = PieceFiles(self.folder / model / "a", room)
        self._open.append(DiskCache(files, model, make))
        return self._open[-1]

    def close(self) -> None:
        for cache in self._open:
            cache.close(10)

    @property
    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    @property
    def nbytes(self) -> int:
        return sum(path.stat().st_size for path in self.files)


@pytest.fixture
def disk(tmp_path: Path) -> Any:
    made = Disk(tmp_path / "prompts")
    yield made
    made.close()


def store(cache: DiskCache, make: Make, *prompts: list[int]) -> None:
    for tokens in prompts:
        cache.put(CachedPrompt(tokens, read(make(), tokens)))
    assert cache.wait(60)


def load(cache: DiskCache, tokens: list[int], beyond: int = 0) -> tuple[list[Any] | None, int]:
    loading = cache.find(tokens, beyond)
    if loading is None:
        return None, 0
    while not loading.step():
        pass
    found = loading.beginning
    return (found.layers, found.length) if found else (None, 0)


@pytest.mark.parametrize(
    ("asked", "length"),
    [
        (PROMPT, 5 * BLOCK),
        (PROMPT + [1] * 3 * BLOCK, 5 * BLOCK),
        (PROMPT[: 4 * BLOCK + 9] + [5000] * BLOCK, 4 * BLOCK),
        (PROMPT[: 4 * BLOCK - 1] + [5000] * BLOCK, 3 * BLOCK),
        ([5000, *PROMPT[1:]], 0),
        (PROMPT[: SHORTEST_STORED - 1], 0),
    ],
)
def test_a_later_process_finds_the_longest_beginning(disk: Disk, asked: list[int], length: int) -> None:
    store(disk.cache(), plain, PROMPT)
    layers, found = load(disk.cache(), asked)
    assert found == length
    if length:
        assert layers is not None
        assert held(layers) == held(read(plain(), asked[:length]))
        assert layers[0].keys.dtype == mx.bfloat16


def test_what_prompts_share_is_stored_once(disk: Disk) -> None:
    store(disk.cache(), plain, PROMPT)
    before = len(disk.files)
    store(disk.cache(), plain, PROMPT[: 4 * BLOCK] + [7] * BLOCK, PROMPT)
    assert len(disk.files) == before + 1


def test_a_load_that_gains_little_is_left_out(disk: Disk) -> None:
    cache = disk.cache()
    store(cache, plain, PROMPT)
    assert cache.find(PROMPT, 5 * BLOCK - LEAST_GAIN + 1) is None
    assert load(cache, PROMPT, 5 * BLOCK - LEAST_GAIN)[1] == 5 * BLOCK


def test_pieces_of_a_prompt_that_is_still_being_read(disk: Disk) -> None:
    cache = disk.cache()
    layers, begin = plain(), 0
    for before, end in ((0, 4 * BLOCK + 9), (4 * BLOCK + 9, 6 * BLOCK)):
        read(layers, (PROMPT * 2)[before:end])
        begin = cache.put_part(CachedPrompt((PROMPT * 2)[:end], layers), begin).length
        assert begin == end // BLOCK * BLOCK
    # What is read next does not change what waits to be written.
    read(layers, [1] * 9)
    assert cache.wait(60)
    found, length = load(disk.cache(), PROMPT * 2)
    assert length == 6 * BLOCK
    assert found is not None
    assert held(found) == held(read(plain(), (PROMPT * 2)[:length]))


def chunked() -> list[Any]:
    return [ChunkedKVCache(256), KVCache()]


KINDS: dict[str, Make] = {
    "sliding window": lambda: [RotatingKVCache(64), KVCache(), RotatingKVCache(64, keep=4)],
    "window that is not full": lambda: [RotatingKVCache(4096)],
    "recurrent": lambda: [ArraysCache(2), ArraysCache(2)],
    "hybrid": lambda: [ArraysCache(2), KVCache()],
    "chunked": chunked,
    "list": lambda: [CacheList(KVCache(), ArraysCache(1)), CacheList(KVCache(), RotatingKVCache(64))],
    "quantised": lambda: [QuantizedKVCache(64, 4)],
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_layer_comes_back_as_it_was(disk: Disk, kind: str) -> None:
    make = KINDS[kind]
    store(disk.cache(make), make, PROMPT)
    layers, length = load(disk.cache(make), [*PROMPT, 1, 2])
    assert length == len(PROMPT)
    assert layers is not None
    assert held(layers) == held(read(make(), PROMPT))
    assert [type(layer) for layer in layers] == [type(layer) for layer in make()]
    # It goes on as the original does.
    assert held(read(layers, [1])) == held(read(read(make(), PROMPT), [1]))


def test_a_state_serves_only_what_goes_on_from_it(disk: Disk) -> None:
    make = KINDS["hybrid"]
    cache = disk.cache(make)
    store(cache, make, PROMPT, [*PROMPT, *PROMPT])
    assert load(cache, PROMPT[:-1])[1] == 0
    assert load(cache, [*PROMPT, 1])[1] == len(PROMPT)
    assert load(cache, [*PROMPT, *PROMPT, 1])[1] == 2 * len(PROMPT)


def test_a_large_state_is_written_where_it_saves_enough(disk: Disk) -> None:
    def large() -> list[Any]:
        return [ArraysCache(2)]

    def put(length: int) -> None:
        layers = read(large(), tokens := (PROMPT * 3)[:length])
        layers[0][1] = mx.zeros((1, 64 << 20), dtype=mx.uint8)
        mx.eval(layers[0].state)
        cache.put(CachedPrompt(tokens, layers))
        assert cache.wait(60)

    cache = disk.cache(large)
    for length in (1200, 1250, 1500):
        put(length)
    assert [path.name[:8] for path in disk.files] == ["00001200", "00001500"]


def test_a_newer_state_of_a_reading_takes_the_place_of_the_older(disk: Disk) -> None:
    make = KINDS["recurrent"]
    cache = disk.cache(make)
    first = cache.put_part(CachedPrompt(PROMPT, read(make(), PROMPT)), 0)
    cache.put_part(CachedPrompt(PROMPT * 2, read(make(), PROMPT * 2)), first.length, first.state)
    assert cache.wait(60)
    assert len(disk.files) == 1


def test_earlier_points_of_a_prompt_can_be_returned_to(disk: Disk) -> None:
    make = KINDS["hybrid"]
    cache = disk.cache(make)
    point = 4 * BLOCK + 9
    earlier = read(make(), PROMPT[:point])
    cache.put(CachedPrompt(PROMPT, read(make(), PROMPT), {point: [earlier[0], None]}))
    assert cache.wait(60)
    layers, length = load(disk.cache(make), PROMPT[:-1])
    assert length == point
    assert layers is not None
    assert held(layers) == held(earlier)


def damage_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def damage_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def other_prompt(path: Path) -> None:
    """The content of another block, with the checksum that fits it."""
    other = next(each for each in path.parent.iterdir() if each.name.startswith("00000256"))
    shutil.copy(other, path.parent / (path.name[:74] + other.name[74:]))
    path.unlink()


def pickled(path: Path) -> None:
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")


def linked(path: Path) -> None:
    moved = path.rename(path.parent.parent.parent / "elsewhere")
    path.symlink_to(moved)


def vanished(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    "damage",
    [damage_end, damage_byte, empty, other_prompt, pickled, linked, vanished],
    ids=lambda f: f.__name__,
)
def test_damaged_and_foreign_files_are_skipped_and_deleted(
    disk: Disk, damage: Callable[[Path], None]
) -> None:
    store(disk.cache(), plain, PROMPT)
    (block,) = (path for path in disk.files if path.name.startswith(f"{3 * BLOCK:08d}"))
    damage(block)
    cache = disk.cache()
    layers, length = load(cache, PROMPT)
    assert length == 2 * BLOCK
    assert layers is not None
    assert held(layers) == held(read(plain(), PROMPT[:length]))
    assert not any(path.name.startswith(f"{3 * BLOCK:08d}") for path in disk.files)
    # It is written again, and then the prompt is whole.
    store(cache, plain, PROMPT)
    assert load(cache, PROMPT)[1] == 5 * BLOCK


def test_a_damaged_file_that_is_found_while_the_process_runs(disk: Disk) -> None:
    cache = disk.cache()
    store(cache, plain, PROMPT)
    damage_byte(disk.files[1])
    assert load(cache, PROMPT)[1] == BLOCK
    assert len(disk.files) == 4


def test_foreign_files_in_the_folder_go(disk: Disk) -> None:
    store(disk.cache(), plain, PROMPT)
    folder = disk.files[0].parent
    (folder / "model.safetensors").write_bytes(b"x")
    old = folder / "part-1.safetensors"
    for name in ("part-1.safetensors", "part-2.safetensors"):
        (folder / name).write_bytes(b"x")
    os.utime(old, (0, 0))
    store(disk.cache(), plain, PROMPT * 2)
    assert not (folder / "model.safetensors").exists()
    assert not old.exists()
    # Another process may be writing this one.
    assert (folder / "part-2.safetensors").exists()


def test_another_model_finds_nothing(disk: Disk) -> None:
    store(disk.cache(), plain, PROMPT)
    other = disk.cache(model="other")
    shutil.copytree(disk.folder / "model", disk.folder / "other")
    assert load(disk.cache(model="other"), PROMPT)[1] == 0
    assert load(other, PROMPT)[1] == 0


def test_the_disk_is_bounded_and_the_ends_of_unused_prompts_go_first(disk: Disk) -> None:
    sizes = disk.cache()
    store(sizes, plain, PROMPT)
    limit = 3 * disk.nbytes
    shutil.rmtree(disk.folder)
    cache = disk.cache(limit=limit)
    kept = PROMPT
    store(cache, plain, kept)
    for number in range(8):
        store(cache, plain, [number + 1000, *PROMPT[1:]])
        assert disk.nbytes <= limit
        assert load(cache, kept)[1] == 5 * BLOCK
        assert cache.wait(60)
    assert load(disk.cache(), [1007, *PROMPT[1:]])[1] == 5 * BLOCK
    assert load(disk.cache(), [1000, *PROMPT[1:]])[1] == 0
    # Whatever is left of a prompt is its beginning.
    for number in range(8):
        _, length = load(disk.cache(), [number + 1000, *PROMPT[1:]])
        assert length % BLOCK == 0


def test_nothing_is_written_that_exceeds_the_bound(disk: Disk) -> None:
    store(disk.cache(limit=1000), plain, PROMPT)
    assert disk.files == []


def test_only_the_owner_can_read_them(disk: Disk) -> None:
    store(disk.cache(), plain, PROMPT)
    paths = [disk.folder, *disk.folder.rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_file()} == {0o600}


def test_processes_that_share_a_folder_do_not_break_each_other(disk: Disk) -> None:
    store(disk.cache(), plain, PROMPT)
    limit = 4 * disk.nbytes
    prompts = [[number, *PROMPT[1:]] for number in range(4)]
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            cache = disk.cache(limit=limit)
            for number in range(6):
                tokens = prompts[(seed + number) % 4]
                layers, length = load(cache, tokens)
                if layers is not None:
                    assert held(layers) == held(read(plain(), tokens[:length]))
                store(cache, plain, tokens)
        except BaseException as error:
            failures.append(error)
        finally:
            mx.synchronize()
            mx.clear_streams()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_the_folder_may_be_deleted_at_any_time(disk: Disk) -> None:
    cache = disk.cache()
    for _ in range(20):
        store(cache, plain, PROMPT)
        assert load(cache, PROMPT)[1] == 5 * BLOCK
        assert cache.wait(60)
        shutil.rmtree(disk.folder)
        assert load(cache, PROMPT)[1] == 0


def test_what_writes_leaves_the_device_of_other_threads_alone(disk: Disk) -> None:
    """MLX has one default device for all threads: where it is a GPU, models would go on on the CPU."""
    cache = disk.cache()
    store(cache, plain, PROMPT)
    other, before = mx.Device(mx.cpu, 1), mx.default_device()
    mx.set_default_device(other)
    try:
        cache.close(60)
        assert mx.default_device() == other
    finally:
        mx.set_default_device(before)


def test_a_full_disk_is_no_error(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    cache = disk.cache()
    monkeypatch.setattr("worker.engines.llm.prompt_cache.disk_writer.save", full)
    store(cache, plain, PROMPT)
    assert disk.files == []
    assert load(cache, PROMPT)[1] == 0
