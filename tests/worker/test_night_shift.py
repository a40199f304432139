"""The night shift: when jobs of the background start, why they wait, and what becomes of those that run."""

import math
import time
from collections.abc import Iterator
from itertools import product

import anyio
import pytest
import redis

from config.hours import Hours
from config.settings import Settings
from jobs import keys
from jobs.client import JobClient
from jobs.events import Delta, Requeued
from jobs.info import JobInfo
from jobs.kinds import Kind
from jobs.queue.waits import WaitsFor, starts_at
from jobs.service_class import ServiceClass
from jobs.status import JobStatus
from tests.support.lanes import Bench
from tests.support.machine import FakeMachine
from tests.worker.conftest import StartBench
from worker.background_policy import Policy
from worker.machine import Heat

pytestmark = pytest.mark.anyio

BACKGROUND = ServiceClass.BACKGROUND
ENDLESS = 10**9
#: All that can be asked for; 2026-11-23 is a Monday, and 3:00 is within the hours.
POLICY = Policy(Hours.parse("22-7"), on_ac_power=True, idle_minutes=10, screen_off=True, heat=Heat.SERIOUS)


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


NIGHT, DAY = 1795402800.0, 1795435200.0


# -- the policy -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("met", [*product((True, False), repeat=5)])
def test_all_conditions_have_to_be_met(met: tuple[bool, ...]) -> None:
    names = ("hours", "power", "idle", "screen", "heat")
    hours, power, idle, screen, heat = met
    machine = FakeMachine(power, 3600 if idle else 0, screen, Heat.FAIR if heat else Heat.SERIOUS)
    rest = POLICY.judge(machine, NIGHT if hours else DAY).rest(DAY)
    unmet = tuple(name for name, each in zip(names, met, strict=True) if not each)
    assert (rest.reasons if rest else ()) == unmet
    if rest is not None:
        assert rest.message.count("until") == len(unmet)
        knowable = {"hours", "idle"}.issuperset(unmet)
        assert (rest.until is not None) == knowable


def test_what_is_waited_for_is_said() -> None:
    def said(policy: Policy, machine: FakeMachine, now: float = DAY) -> str:
        rest = policy.judge(machine, now).rest(now)
        assert rest is not None
        return rest.message

    machine = FakeMachine(False, 0, False, Heat.CRITICAL)
    start = "background work waits until "
    assert said(Policy(Hours.parse("22-7")), machine) == start + "22:00"
    assert said(Policy(Hours.parse("sat 10-12")), machine) == start + "Saturday 10:00"
    assert said(Policy(on_ac_power=True), machine) == start + "the Mac is on AC power"
    assert said(Policy(idle_minutes=1), machine) == start + "nobody has used the Mac for 1 minute"
    assert said(Policy(idle_minutes=10), machine) == start + "nobody has used the Mac for 10 minutes"
    assert said(Policy(screen_off=True), machine) == start + "the screen is off or locked"
    assert said(Policy(heat=Heat.SERIOUS), machine) == start + "the Mac has cooled down"
    both = Policy(Hours.parse("22-7"), on_ac_power=True)
    assert said(both, machine) == start + "22:00 and until the Mac is on AC power"


def test_the_earliest_start_is_known_where_only_time_is_missing() -> None:
    def until(policy: Policy, machine: FakeMachine) -> float | None:
        rest = policy.judge(machine, DAY).rest(DAY)
        return rest.until if rest else 0

    ten = DAY + 10 * 3600
    assert until(Policy(Hours.parse("22-7")), FakeMachine()) == ten
    assert until(Policy(idle_minutes=10), FakeMachine(idle=60)) == DAY + 540
    assert until(Policy(Hours.parse("22-7"), idle_minutes=10), FakeMachine(idle=60)) == ten
    assert until(Policy(Hours.parse("22-7"), on_ac_power=True), FakeMachine(powered=False)) is None


def test_the_machine_is_asked_only_for_what_is_wanted() -> None:
    machine = FakeMachine()
    Policy(Hours.parse("22-7")).judge(machine, DAY)
    assert machine.asked == set()
    Policy(on_ac_power=True, heat=Heat.FAIR).judge(machine, DAY)
    assert machine.asked == {"power", "heat"}


def test_what_the_machine_does_not_tell_stops_nothing() -> None:
    verdict = POLICY.judge(FakeMachine(None, None, None, None), NIGHT)
    assert verdict.waits == ()
    assert verdict.untold == ("power", "idle", "screen", "heat")


# -- in a worker ----------------------------------------------------------------------------------------------------


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine()


@pytest.fixture
def night(start_bench: StartBench, machine: FakeMachine) -> Bench:
    """A worker whose background works on AC power only, and that has none."""
    machine.powered = False
    return start_bench(machine, background_on_ac_power=True, batch_size=4)


async def submit(bench: Bench, service_class: ServiceClass = BACKGROUND, **payload: object) -> str:
    return await bench.send(Kind.CHAT, "first", payload=payload, service_class=service_class)


async def waiting(client: JobClient, job_id: str) -> JobInfo:
    """The job, once it is known why it waits."""
    with anyio.fail_after(60):
        while (info := await client.info(job_id)).waits_for != WaitsFor.POLICY:
            assert info.status is JobStatus.QUEUED
            await anyio.sleep(0.01)
    return info


def plug(bench: Bench, machine: FakeMachine, powered: bool) -> None:
    """A look later."""
    machine.powered = powered
    bench.host.night.look()


async def test_background_jobs_wait_for_what_is_wanted_and_others_do_not(
    night: Bench, client: JobClient, machine: FakeMachine
) -> None:
    job_id = await submit(night)
    interactive, normal = [
        await submit(night, each) for each in (ServiceClass.INTERACTIVE, ServiceClass.NORMAL)
    ]
    for other in (interactive, normal):
        assert (await night.story(other))[-1].terminal
    info = await waiting(client, job_id)
    assert info.wait_reason == "background work waits until the Mac is on AC power"
    # Of the same millisecond any may come first.
    reasons = {each.id: each.wait_reason for each in (await client.jobs())[0]}
    assert reasons == {job_id: info.wait_reason, interactive: None, normal: None}
    assert starts_at("llm", await client.workers()) == math.inf
    plug(night, machine, True)
    assert (await night.story(job_id))[-1].terminal
    assert (await client.info(job_id)).status is JobStatus.COMPLETED
    assert starts_at("llm", await client.workers()) == 0


async def test_the_policy_is_changed_while_it_runs(night: Bench, client: JobClient) -> None:
    job_id = await submit(night)
    await waiting(client, job_id)
    night.host.night._clock = lambda: DAY
    await night.change(background_hours="22-7", background_on_ac_power=False)
    night.host.night.look()
    night.host.on_beat()
    info = await waiting(client, job_id)
    assert info.wait_reason == "background work waits until 22:00"
    assert starts_at("llm", await client.workers()) == DAY + 10 * 3600
    await night.change(background_hours="")
    assert (await night.story(job_id))[-1].terminal


async def test_running_jobs_end_although_no_more_may_start(
    night: Bench, client: JobClient, machine: FakeMachine
) -> None:
    plug(night, machine, True)
    running = await submit(night, count=ENDLESS)
    await night.story(running, until=lambda entry: isinstance(entry.event, Delta))
    plug(night, machine, False)
    late = await submit(night)
    await waiting(client, late)
    assert (await client.info(running)).status is JobStatus.IN_PROGRESS
    night.engine.tasks[next(iter(night.engine.tasks))][1] = 0
    assert (await night.story(running))[-1].terminal
    await waiting(client, late)


async def test_running_jobs_go_back_where_that_is_wanted(
    night: Bench, client: JobClient, machine: FakeMachine
) -> None:
    await night.change(background_running="requeue")
    plug(night, machine, True)
    running = await submit(night, count=ENDLESS)
    normal = await submit(night, ServiceClass.NORMAL, count=ENDLESS)
    for each in (running, normal):
        await night.story(each, until=lambda entry: isinstance(entry.event, Delta))
    plug(night, machine, False)
    await night.story(running, until=lambda entry: isinstance(entry.event, Requeued))
    await waiting(client, running)
    assert (await client.info(normal)).status is JobStatus.IN_PROGRESS
    await client.cancel(running)
    await client.cancel(normal)


async def test_a_hot_machine_works_on_slowly_and_at_once_for_others(
    night: Bench, client: JobClient, machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two steps of the background it stands still, here for as long as this test could last."""
    await night.change(background_on_ac_power=False, background_heat="serious")
    monkeypatch.setattr("worker.lane.SLOWNESS", 10**9)
    monkeypatch.setattr("worker.lane.LONGEST_REST", 600.0)
    running = await submit(night, count=ENDLESS)
    await night.story(running, until=lambda entry: isinstance(entry.event, Delta))
    machine.warmth = Heat.SERIOUS
    night.host.night.look()
    late = await submit(night)
    await waiting(client, late)
    assert night.host.night.slows
    # While somebody waits for an answer, all go on.
    urgent = await submit(night, ServiceClass.INTERACTIVE, count=50)
    assert (await night.story(urgent))[-1].terminal
    await client.cancel(running)
    assert (await night.story(running))[-1].terminal
    machine.warmth = Heat.FAIR
    night.host.night.look()
    assert (await night.story(late))[-1].terminal


async def test_what_the_machine_does_not_tell_is_shown(
    night: Bench, client: JobClient, machine: FakeMachine
) -> None:
    machine.powered = None
    night.host.night.look()
    night.host.on_beat()
    job_id = await submit(night)
    assert (await night.story(job_id))[-1].terminal
    (worker,) = await client.workers()
    assert worker.trouble == ("BACKGROUND_ON_AC_POWER has no effect: this machine does not tell.",)


async def test_the_policy_is_there_after_a_restart_before_any_job_is_taken(
    settings: Settings, client: JobClient, machine: FakeMachine
) -> None:
    """It was set while another worker ran, and a job waits."""
    bench = Bench(settings, client, machine)
    await bench.change(background_on_ac_power=True)
    machine.powered = False
    job_id = await submit(bench)
    assert (await client.info(job_id)).waits_for == WaitsFor.WORKER
    bench.host.start()
    await waiting(client, job_id)
    assert (await client.info(job_id)).attempts == 0
    plug(bench, machine, True)
    assert (await bench.story(job_id))[-1].terminal
    bench.host.drain()


async def test_a_worker_that_dies_leaves_no_pause_behind(
    night: Bench, client: JobClient, clean_redis: redis.Redis, start_bench: StartBench
) -> None:
    """What it found is in keys that expire; another worker, which may work, takes the job meanwhile."""
    job_id = await submit(night)
    await waiting(client, job_id)
    for key in (keys.RESTING, keys.worker_state(night.host.name)):
        assert 0 < int(str(clean_redis.ttl(key))) <= 6
    other = start_bench(FakeMachine())
    assert (await other.story(job_id))[-1].terminal
