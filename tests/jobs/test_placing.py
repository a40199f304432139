"""Which of several workers takes a job: the one that has its model, and of a chat the one that has read it."""

import json
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis

from jobs import keys
from jobs.gate import AsyncGate, Ending, Gate, ModelAffinity, Room, Seat
from jobs.kinds import Kind
from jobs.payloads import ChatPayload, NoPayload
from jobs.prefix import beginning_of
from jobs.redis.connection import async_connection
from jobs.request import Claim
from jobs.service_class import ServiceClass
from tests.support.jobs import TTL, request, waiting
from tests.support.payloads import made

pytestmark = pytest.mark.anyio

MODEL = "org/tiny"
PATIENCE = 60_000


class Machine:
    """A worker as far as it takes jobs. It looks when it is told to."""

    def __init__(self, connection: redis.Redis, name: str, *ready: str, places: int = 4) -> None:
        self.name, self.places = name, places
        self.ready = list(ready)
        #: what becomes of a model that is not ready, its bytes, and bytes that are free
        self.room, self.needed, self.free = Room.BESIDE, 10, 100
        self.patience = PATIENCE
        self.rests = False
        self.running: dict[str, Claim] = {}
        self._redis = connection
        self.gate = Gate(
            connection, "llm", f"{name}.llm", TTL, rests=lambda: self.rests, seat=Seat(name, places)
        )
        # As at each beat.
        connection.set(keys.worker_state(name), "{}", ex=600)

    def has(self, *models: str) -> None:
        """These are on its disk."""
        for model in models:
            self._redis.hset(keys.inventory(self.name), model, "{}")

    def dies(self) -> None:
        """As it is when its leases are over."""
        self._redis.delete(keys.worker_state(self.name), keys.inventory(self.name))
        row: Any = self._redis.hget(keys.machines("llm"), self.name)
        at, *rest = json.loads(row)
        self._redis.hset(keys.machines("llm"), self.name, json.dumps([at - 10_000, *rest]))

    def look(self) -> list[str]:
        """Takes what it may, and runs it."""
        taken = self.gate.take(0, self.places - len(self.running), self._favour) or []
        claims = self.gate.claim([(job_id, f"run-{job_id}") for job_id in taken])
        for claim in claims:
            if claim.model not in self.ready and self.room is not Room.ABSENT:
                self.ready.append(claim.model)
            self.running[claim.job_id] = claim
        return [claim.job_id for claim in claims]

    def end(self, *job_ids: str) -> None:
        for job_id in job_ids:
            del self.running[job_id]
            self.gate.write([], [Ending(job_id, f"run-{job_id}", made({}))])

    def _favour(self, asked: str | None = None) -> ModelAffinity:
        room = self.room if asked else None
        return ModelAffinity(
            self.ready,
            self.ready if self.running else (),
            0,
            self.patience,
            asked or "",
            room,
            self.needed,
            self.free,
        )


@pytest.fixture
async def front(redis_url: str, clean_redis: redis.Redis) -> AsyncIterator[AsyncGate]:
    connection = async_connection(redis_url)
    yield AsyncGate(connection, TTL)
    await connection.aclose()


@pytest.fixture
def machine(clean_redis: redis.Redis) -> Callable[..., Machine]:
    def make(name: str, *ready: str, places: int = 4) -> Machine:
        made = Machine(clean_redis, name, *ready, places=places)
        made.has(MODEL)
        return made

    return make


async def submit(front: AsyncGate, number: int = 1, ago: float = 1, **more: Any) -> list[str]:
    """Jobs that were submitted so many seconds ago."""
    jobs = [request(**more) for _ in range(number)]
    for job in jobs:
        await front.admit(job, 500)
        await front._redis.hset(keys.job(job.id), "mlxq_submitted_ms", int((time.time() - ago) * 1000))
    return [job.id for job in jobs]


def waited(connection: redis.Redis, job_id: str, seconds: float) -> None:
    """As if this job had been submitted so long ago."""
    connection.hset(keys.job(job_id), "mlxq_submitted_ms", int((time.time() - seconds) * 1000))


Make = Callable[..., Machine]
#: Seconds ago that are ahead: a job that has not waited at all, however slow the test is.
NEVER = -600


async def test_a_job_goes_to_the_worker_that_has_its_model_in_memory(front: AsyncGate, machine: Make) -> None:
    has_it, has_not = machine("studio", MODEL), machine("laptop")
    has_it.look()
    (job,) = await submit(front)
    assert (has_not.look(), has_it.look(), has_not.ready) == ([], [job], [])


@pytest.mark.parametrize("patience", [0, 50])
async def test_it_waits_for_that_worker_as_long_as_patience_says(
    front: AsyncGate, machine: Make, patience: int
) -> None:
    has_it, has_not = machine("studio", MODEL), machine("laptop")
    has_it.look()
    has_not.patience = patience
    (job,) = await submit(front)
    while not (taken := has_not.look()):
        pass
    assert taken == [job]


async def test_a_worker_that_is_full_or_dead_holds_nothing_back(front: AsyncGate, machine: Make) -> None:
    full, other = machine("studio", MODEL, places=1), machine("laptop")
    full.look()
    other.look()
    first, second = await submit(front, 2)
    assert (full.look(), other.look()) == ([first], [second])

    other.end(second)
    full.end(first)
    full.look()
    other.ready = []
    (third,) = await submit(front)
    assert other.look() == []
    full.dies()
    assert other.look() == [third]


async def test_a_worker_that_is_known_to_be_dead_is_not_waited_for(front: AsyncGate, machine: Make) -> None:
    """Its successor knows at once that it was killed, long before its leases are over."""
    killed, successor = machine("killed", MODEL), machine("successor")
    (running,) = await submit(front, prefix="chat")
    assert killed.look() == [running]
    successor.gate.recover(2, ["killed.llm"])
    assert successor.look() == [running]


async def test_a_model_that_only_another_worker_has_waits_for_it(
    front: AsyncGate, machine: Make, clean_redis: redis.Redis
) -> None:
    owner, other = machine("studio", places=1), machine("laptop", MODEL)
    owner.has("org/only")
    other.room = Room.ABSENT
    other.patience = 0
    (running,) = await submit(front)
    owner.look()
    plain, adapted = await submit(front, model="org/only"), await submit(front, model="org/only+poet")
    (load,) = await submit(front, kind=Kind.LOAD, model="org/only", payload=NoPayload())
    (common,) = await submit(front)
    # It goes on with what it can run, however long that takes and although the other one is full.
    for job_id in (*plain, *adapted, load):
        waited(clean_redis, job_id, 1000)
    assert other.look() == [common]
    owner.end(running)
    assert owner.look() == plain
    owner.end(*plain)
    assert owner.look() == adapted

    # It vanishes: after a while nobody is waited for, and the error is told.
    owner.dies()
    (fresh,) = await submit(front, 1, NEVER, model="org/only")
    assert other.look() == [load]
    other.end(load)
    assert other.look() == []
    waited(clean_redis, fresh, 11)
    assert other.look() == [fresh]


async def test_a_model_is_loaded_where_it_has_room_beside_others(front: AsyncGate, machine: Make) -> None:
    cramped, roomy = machine("laptop", "org/old"), machine("studio", "org/old")
    cramped.room, cramped.needed, cramped.free = Room.INSTEAD, 50, 20
    cramped.look()
    roomy.look()
    (job,) = await submit(front)
    assert (cramped.look(), roomy.look()) == ([], [job])


async def test_jobs_go_where_least_is_done(front: AsyncGate, machine: Make) -> None:
    one, two = machine("one", MODEL), machine("two", MODEL, places=8)
    one.look()
    two.look()
    jobs = await submit(front, 6, NEVER)
    taken: dict[str, int] = {"one": 0, "two": 0}
    while sum(taken.values()) < 6:
        for each in (one, two):
            taken[each.name] += len(each.look())
    assert set(jobs) == {*one.running, *two.running}
    assert taken == {"one": 2, "two": 4}


async def test_background_jobs_do_not_wait_for_a_worker_that_rests(front: AsyncGate, machine: Make) -> None:
    rests, other = machine("studio", MODEL), machine("laptop")
    rests.rests = True
    rests.look()
    (normal,) = await submit(front)
    (background,) = await submit(front, service_class=ServiceClass.BACKGROUND)
    assert (other.look(), rests.look()) == ([background], [normal])


async def test_a_chat_stays_with_the_worker_that_has_read_it(front: AsyncGate, machine: Make) -> None:
    home, other = machine("home", MODEL), machine("other", MODEL)
    other.look()
    (first,) = await submit(front, prefix="chat")
    assert home.look() == [first]
    home.end(first)
    # It has more to do than the other one, and time for it.
    busy = await submit(front, 2, prefix="another")
    assert home.look() == busy
    (second,) = await submit(front, prefix="chat")
    assert (other.look(), home.look()) == ([], [second])


async def test_a_chat_moves_when_its_worker_is_much_busier(front: AsyncGate, machine: Make) -> None:
    home, other = machine("home", MODEL), machine("other", MODEL)
    other.look()
    taken = await submit(front, 4, prefix="chat")
    assert home.look() == taken
    (moved,) = await submit(front, 1, NEVER, prefix="chat")
    assert other.look() == [moved]
    # From now on that one is its worker.
    home.end(*taken)
    home.look()
    (stays,) = await submit(front, prefix="chat")
    assert (home.look(), other.look()) == ([], [stays])


async def test_a_chat_waits_a_little_for_a_worker_that_is_full(
    front: AsyncGate, machine: Make, clean_redis: redis.Redis
) -> None:
    home, other = machine("home", MODEL), machine("other", MODEL)
    other.look()
    home.look()
    theirs = await submit(front, 3, prefix="theirs")
    assert other.look() == theirs
    ours = await submit(front, 4, prefix="ours")
    assert home.look() == ours
    (more,) = await submit(front, 1, NEVER, prefix="ours")
    assert other.look() == []
    waited(clean_redis, more, 2.5)
    assert other.look() == [more]


async def test_a_suspect_has_its_turn_beside_chats_that_begin_like_it(
    front: AsyncGate, machine: Make, clean_redis: redis.Redis
) -> None:
    """It runs alone: who sees it first of all makes room for it, whichever worker has read its beginning."""
    machines = [machine(name, MODEL) for name in ("one", "two", "three")]
    await submit(front, 60, 10, prefix="chat")
    for each in machines:
        assert len(each.look()) == 4
    _, unlucky, _ = machines
    suspect, _ = unlucky.running.popitem()
    clean_redis.zadd(keys.started("llm"), {f"{suspect}:run-{suspect}": 1})
    assert machines[0].gate.recover(3, (), {}, "elsewhere") == (1, 0)
    clean_redis.hset(keys.job(suspect), "mlxq_suspect", "laptop")
    alone = []
    for each in 6 * machines:
        each.end(*[job_id for job_id in each.running if job_id != suspect][:1])
        each.look()
        alone.append([suspect] == list(each.running))
    assert any(alone)


async def test_what_is_taken_over_is_that_job_and_no_other(front: AsyncGate, machine: Make) -> None:
    full, free, other = machine("full", MODEL, places=1), machine("free", MODEL), machine("other", MODEL)
    for each in (full, free, other):
        each.look()
    (first,) = await submit(front, prefix="of-full")
    assert full.look() == [first]
    (second,) = await submit(front, prefix="of-free")
    assert free.look() == [second]
    stays, moves, own = [
        *await submit(front, prefix="of-free"),
        *await submit(front, prefix="of-full"),
        *await submit(front, prefix="own"),
    ]
    assert other.look() == [own, moves]
    assert free.look() == [stays]


@pytest.mark.parametrize("forgets", [True, False])
async def test_a_chat_does_not_wait_for_a_worker_that_has_forgotten_it_or_is_gone(
    front: AsyncGate, machine: Make, forgets: bool
) -> None:
    home, other = machine("home", MODEL), machine("other", MODEL)
    other.look()
    (first,) = await submit(front, prefix="chat")
    assert home.look() == [first]
    home.end(first)
    if forgets:
        home.ready.clear()
        home.look()
    else:
        home.dies()
    (second,) = await submit(front, prefix="chat")
    assert other.look() == [second]


@pytest.mark.parametrize("places", [8, 3])
async def test_turns_of_twenty_chats_find_what_was_read_before(
    front: AsyncGate, machine: Make, clean_redis: redis.Redis, places: int
) -> None:
    """More than nine of ten, also where fewer chats have a place than want one."""
    machines = [machine(name, MODEL, places=places) for name in ("one", "two", "three")]
    chance = random.Random(7)
    chats = [f"chat-{number}" for number in range(20)]
    turns, read, of = dict.fromkeys(chats, 0), set[tuple[str, str]](), dict[str, str]()
    waits = set(chats)
    later = hits = 0
    while sum(turns.values()) < 20 * 8:
        for chat in [chat for chat in chats if chat in waits and chance.random() < 0.7]:
            waits.discard(chat)
            (job,) = await submit(front, ago=NEVER, prefix=chat)
            of[job] = chat
        for _ in range(3):
            for each in chance.sample(machines, 3):
                for job in each.look():
                    chat = of[job]
                    later += turns[chat] > 0
                    hits += (each.name, chat) in read
                    turns[chat] += 1
                    read.add((each.name, chat))
        for each in machines:
            ended = [job for job in each.running if chance.random() < 0.4]
            each.end(*ended)
            waits |= {of[job] for job in ended}
    assert hits >= 0.9 * later
    # No worker has all of them.
    assert all(len({chat for name, chat in read if name == each.name}) < 20 for each in machines)


async def test_a_job_for_one_worker_is_taken_by_no_other(front: AsyncGate, machine: Make) -> None:
    one, two = machine("one"), machine("two")
    one.look()
    two.look()
    (load,) = await submit(front, kind=Kind.LOAD, payload=NoPayload(), worker="two")
    (chat,) = await submit(front, model="org/other")
    one.has("org/other")
    assert (one.look(), two.look()) == ([chat], [load])
    # Where that worker has ended, another one takes it, and says so.
    (lost,) = await submit(front, kind=Kind.UNLOAD, payload=NoPayload(), worker="two")
    assert one.look() == []
    two.dies()
    assert one.look() == [lost]
    assert one.running[lost].worker == "two"


async def test_one_worker_alone_pays_a_command_for_each_look(
    front: AsyncGate, machine: Make, clean_redis: redis.Redis
) -> None:
    def commands() -> int:
        stats: Any = clean_redis.info("commandstats")
        return sum(int(row["calls"]) for row in stats.values())

    async def cost(alone: Gate) -> int:
        alone.take(0, 1, favour)
        before = commands()
        for _ in range(20):
            await submit(front, prefix="chat")
            assert alone.take(0, 1, favour)
        return commands() - before

    def favour(asked: str | None = None) -> ModelAffinity:
        return ModelAffinity([MODEL], (), 0, PATIENCE)

    began = time.monotonic()
    without = await cost(Gate(clean_redis, "llm", "worker.llm", TTL))
    with_seat = await cost(Gate(clean_redis, "llm", "worker.llm", TTL, seat=Seat("worker", 4)))
    # Once a second its row is written again.
    assert with_seat - without <= 20 + 2 * (1 + time.monotonic() - began)
    assert waiting(clean_redis) == []


def test_turns_of_a_chat_begin_alike_and_no_others_do() -> None:
    system = {"role": "system", "content": "You are brief."}
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    first = beginning_of(ChatPayload(messages=[system, turns[0]]))
    later = beginning_of(ChatPayload(messages=[system, *turns, {"role": "user", "content": "And?"}], seed=3))
    other = beginning_of(ChatPayload(messages=[system, {"role": "user", "content": "Ho"}]))
    armed = beginning_of(ChatPayload(messages=[system, turns[0]], tools=[{"type": "function"}]))
    assert first == later != b""
    assert len({first, other, armed}) == 3
    assert beginning_of(NoPayload()) == b""
