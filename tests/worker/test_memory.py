"""Room for models: the least recently used goes, who generates stays, and running out of memory is survived."""

import asyncio
import ctypes
import shutil
import time

import mlx.core as mx
import psutil
import pytest

from config.settings import Settings
from jobs.kinds import Category, Kind
from jobs.worker_state import Device, MlxMemory
from tests.support.events import EventType, data_of
from tests.support.lanes import Bench
from tests.support.seat import Seat
from tests.worker.conftest import StartBench
from worker import device, host, slots
from worker.memory import Limits, Memory, is_out_of_memory

pytestmark = pytest.mark.anyio


async def test_the_least_recently_used_model_makes_room_for_one_more(bench: Bench) -> None:
    await bench.hold_at_most(1)
    await bench.story(await bench.submit("first", Category.LLM))
    chat = bench.engine
    last = (await bench.story(await bench.submit("second", Category.IMAGE)))[-1]
    assert last.type == EventType.COMPLETED
    assert chat.closed
    assert bench.host.lanes[Category.LLM].snapshot()[0].state == "empty"


async def test_within_the_limit_nobody_goes(bench: Bench) -> None:
    await bench.story(await bench.submit("first", Category.LLM))
    chat = bench.engine
    await bench.story(await bench.submit("second", Category.IMAGE))
    assert not chat.closed


async def test_who_generates_never_goes(start_bench: StartBench) -> None:
    bench = start_bench(lanes="overlap")
    await bench.hold_at_most(1)
    await bench.story(await bench.submit("first", Category.LLM))
    chat = bench.engine
    chat.hold.clear()
    running = await bench.submit("first", Category.LLM, count=3)
    await bench.story(running, until=lambda event: event.type == EventType.STARTED)
    # Neither limit nor budget is worth an answer: there is one model more for a while.
    picture = (await bench.story(await bench.submit("second", Category.IMAGE)))[-1]
    assert picture.type == EventType.COMPLETED
    assert not chat.closed
    chat.hold.set()
    assert (await bench.story(running))[-1].type == EventType.COMPLETED


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_job_outlives_running_out_of_memory(bench: Bench, times: int) -> None:
    bench.fail_steps = [RuntimeError("[metal::malloc] Metal out of memory")] * times
    story = await bench.story(await bench.submit("first", count=2))
    assert story[-1].type == EventType.COMPLETED
    assert data_of(story[-1])["result"]["counted"] == 2
    assert [event.type for event in story].count(EventType.REQUEUED) == times


async def test_a_job_for_which_memory_never_suffices_fails_and_the_next_is_served(bench: Bench) -> None:
    bench.fail_steps = [RuntimeError("metal out of memory")] * 4
    error = await bench.error(await bench.submit("first", count=2))
    assert (error.status, error.code) == (500, "out_of_memory")
    assert (await bench.story(await bench.submit("first")))[-1].type == EventType.COMPLETED


async def test_when_memory_runs_out_an_idle_model_goes(bench: Bench) -> None:
    await bench.story(await bench.submit("second", Category.IMAGE))
    picture = bench.engine
    bench.fail_steps = [MemoryError()]
    assert (await bench.story(await bench.submit("first", count=2)))[-1].type == EventType.COMPLETED
    assert picture.closed


async def test_a_model_that_can_not_fit_is_refused_and_nobody_goes_for_it(
    settings: Settings, start_bench: StartBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What other stories of this process have left in MLX is none of this one's.
    monkeypatch.setattr(host, "memory_use", MlxMemory)
    size = (settings.model_roots[0] / "first" / "model.safetensors").stat().st_size
    bench = start_bench(memory_budget_gb=1.5 * size / 2**30)
    await bench.story(await bench.submit("first"))
    large = settings.model_roots[0] / "large"
    large.mkdir()
    for file in (settings.model_roots[0] / "first").iterdir():
        shutil.copy(file, large / file.name)
    mx.save_safetensors(str(large / "model.safetensors"), {"weight": mx.zeros((size,))})
    error = await bench.error(await bench.submit("large"))
    assert not bench.engine.closed
    shutil.rmtree(large)
    assert (error.status, error.code) == (400, "insufficient_memory")
    assert error.message.startswith("❌ Insufficient memory - This model requires 0.0GB but you have")


async def test_without_mlx_a_load_says_what_is_needed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "device", lambda: Device(mlx=False))
    error = await bench.error(await bench.submit("first"))
    assert (error.status, error.code) == (400, "mlx_not_compatible")
    assert error.message == "❌ MLX requires Apple Silicon (M1/M2/M3) hardware"


def test_what_nobody_uses_leaves_in_time() -> None:
    now = 1000.0
    usual = Seat("usual", 0)
    fresh = Seat("fresh", 900)
    pinned = Seat("pinned", 0, pinned=True)
    busy = Seat("busy", None)
    asked = Seat("asked to go at once", 999, keep=0)
    stays = Seat("asked to stay", 0, keep=-1)
    longer = Seat("asked to stay longer", 0, keep=5000)
    seats = [usual, fresh, pinned, busy, asked, stays, longer]
    memory = Memory(lambda: Limits(models=3, idle=600), budget=10, used=lambda: 0, clock=lambda: now)
    memory.watch(seats)
    memory.sweep()
    assert [seat for seat in seats if seat.model is None] == [usual, asked]
    now = 6000.0
    memory.sweep()
    assert {seat.model for seat in seats if seat.model} == {"pinned", "busy", "asked to stay"}


def test_without_a_time_nobody_leaves() -> None:
    seat = Seat("usual", 0)
    memory = Memory(lambda: Limits(models=3, idle=0), budget=10, used=lambda: 0, clock=lambda: 1e9)
    memory.watch([seat])
    memory.sweep()
    assert seat.model == "usual"


def test_a_budget_is_kept_by_those_used_least_recently() -> None:
    seats = [Seat("a", 30), Seat("b", 10), Seat("c", 20), Seat("pinned", 0, pinned=True), Seat(None, None)]
    weights = {"a": 3, "b": 3, "c": 3, "pinned": 3}
    used = lambda: sum(weights[seat.model] for seat in seats if seat.model)  # noqa: E731
    memory = Memory(lambda: Limits(models=9, idle=0), budget=14, used=used)
    memory.watch(seats)
    with memory.room(seats[-1], "new", 7, pinned=False):
        assert [seat.model for seat in seats] == ["a", None, None, "pinned", None]


def test_what_is_only_remembered_counts_and_goes_before_any_model() -> None:
    idle, busy, empty = Seat("idle", 10, cache_bytes=3), Seat("busy", None, cache_bytes=2), Seat(None, None)
    seats = [idle, busy, empty]

    def used() -> int:
        return sum(4 * bool(seat.model) + seat.cache_bytes for seat in seats)

    memory = Memory(lambda: Limits(models=9, idle=0), budget=16, used=used)
    memory.watch(seats)
    with memory.room(empty, "small", 3, pinned=False):
        assert used() == 13, "there is room"
    with memory.room(empty, "larger", 7, pinned=False):
        assert [(seat.model, seat.cache_bytes) for seat in seats] == [("idle", 0), ("busy", 1), (None, 0)]
    with memory.room(empty, "large", 8, pinned=False):
        assert [(seat.model, seat.cache_bytes) for seat in seats] == [("idle", 0), ("busy", 0), (None, 0)]
    busy.cache_bytes = 8
    memory.sweep()
    assert busy.cache_bytes == 8, "all that the budget has"
    busy.cache_bytes = 11
    memory.sweep()
    assert (busy.model, busy.cache_bytes, idle.cache_bytes) == ("busy", 8, 0)
    memory.relieve(busy)
    assert busy.cache_bytes == 0


async def test_a_model_leaves_when_the_clock_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lanes of a real host, and a clock that jumps."""
    ahead = 0.0
    clock = time.monotonic
    monkeypatch.setattr(bench.host.memory, "_clock", lambda: clock() + ahead)
    await bench.story(await bench.submit("first"))
    await bench.story(await bench.submit("second", Category.IMAGE, keep_alive=-1))
    engines = list(bench.engines)
    ahead = 29 * 60
    bench.host.memory.sweep()
    await bench.story(await bench.submit("first"))
    assert [engine.closed for engine in engines] == [False, False]
    ahead = 31 * 60
    bench.host.memory.sweep()
    assert await asyncio.to_thread(engines[0].closes.wait, 60)
    assert not engines[1].closed


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="its C library returns memory itself"
)
async def test_what_a_model_had_on_the_heap_returns_to_the_system(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.story(await bench.send(Kind.LOAD, "first"))
    held = [bytes(2_000) for _ in range(50_000)]
    newest = bytes(2_000)
    monkeypatch.setattr(bench.engine, "close", held.clear)
    before = psutil.Process().memory_info().rss
    await bench.story(await bench.send(Kind.UNLOAD, "first"))
    assert not held
    assert newest
    assert before - psutil.Process().memory_info().rss > 50e6


def test_metal_is_held_to_its_limits_and_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[tuple[str, int]] = []
    monkeypatch.setattr(mx, "set_wired_limit", lambda size: held.append(("wired", size)))
    monkeypatch.setattr(mx, "set_cache_limit", lambda size: held.append(("cache", size)))
    monkeypatch.setattr(device, "device", lambda: Device(mlx=True))
    device.set_limits(5, 6)
    assert held == []
    monkeypatch.setattr(device, "device", lambda: Device(mlx=True, gpu=True, memory_bytes=100))
    for wired in (0, 50, 500):
        device.set_limits(wired, 10)
    assert held == [
        (name, size) for wired in (100, 50, 100) for name, size in (("wired", wired), ("cache", 10))
    ]


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (MemoryError(), True),
        (RuntimeError("[METAL] Command buffer execution failed: Insufficient Memory"), True),
        (RuntimeError("[malloc] Unable to allocate 10 bytes."), True),
        (RuntimeError("metal out of memory"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_running_out_of_memory_looks_like(error: Exception, is_one: bool) -> None:
    assert is_out_of_memory(error) is is_one


def test_requests_get_what_models_that_stay_leave_and_idle_ones_make_room_for_them() -> None:
    one = Seat("one", None, bytes=30)
    pinned = Seat("pinned", 1.0, pinned=True, bytes=20, category=Category.IMAGE)
    idle = Seat("idle", 2.0, bytes=25, cache_bytes=10)
    busy = Seat("busy", None, bytes=5)
    seats = [one, pinned, idle, busy]

    def used() -> int:
        return sum(each.bytes + each.cache_bytes for each in seats if each.model is not None)

    memory = Memory(lambda: Limits(9, 0), 100, used)
    memory.watch(seats)
    headroom = memory.headroom(one)
    assert headroom.most() == 50
    assert headroom.make(15)
    assert (idle.model, idle.cache_bytes) == ("idle", 5)
    assert headroom.make(40)
    assert idle.model is None
    assert not headroom.make(50)
    assert (pinned.model, busy.model) == ("pinned", "busy")
