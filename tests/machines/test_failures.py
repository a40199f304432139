"""Machines fall asleep, are unplugged and have wrong clocks: what was accepted is answered, once.

Each story leaves the four machines of the module well. Two of them have clocks that are off by a day all the time.
"""

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs import keys
from mlxq.launch.process import WRONG_SETTING
from tests.machines.havoc import Havoc
from tests.machines.site import Machine, Site
from tests.machines.stand_in import counted
from tests.support.stories import story

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

#: Jobs that a machine runs at the same time.
PLACES = 2
DAY = 86_400


@pytest.fixture(scope="module")
def site(make_site: Callable[..., Site]) -> Site:
    # Random kills are no fault of the jobs.
    site = make_site(BATCH_SIZE=PLACES, MAX_ATTEMPTS=100)
    if sys.platform == "linux":
        # Elsewhere machines have no addresses of their own here: they reach Redis itself.
        site.open_gateway()
    for name, off in (("right", 0), ("early", DAY), ("late", -DAY), ("well", 0)):
        site.add(name, CLOCK_OFF=off)
    site.wait_ready()
    return site


@pytest.fixture
def hold(tmp_path: Path) -> Path:
    """A file without which jobs do not end."""
    return tmp_path / "go"


def fill(site: Site, hold: Path) -> dict[Machine, list[str]]:
    """Every machine runs as many jobs as it can; which they are."""
    number = PLACES * len(site.machines)
    jobs = [site.send(hold=hold) for _ in range(number)]
    site.wait_until(lambda: len(site.running()) == number, "not all of them run")
    shares = {machine: machine.jobs() for machine in site.machines}
    assert sorted(job for share in shares.values() for job in share) == sorted(jobs)
    return shares


def test_all_machines_work_and_their_times_are_those_of_redis(site: Site, hold: Path) -> None:
    shares = fill(site, hold)
    assert [len(share) for share in shares.values()] == [PLACES] * 4
    hold.touch()
    seconds = site.connection.time()[0]
    for job_id in (job for share in shares.values() for job in share):
        site.check_once([job_id], 3)
        job = site.job(job_id)
        told = job["timings"]
        assert told["created_at"] - 1 <= told["started_at"] <= told["ended_at"]
        assert abs(told["ended_at"] - seconds) < 3600
        assert job["attempts"] == 1


def test_what_silent_machines_ran_ends_elsewhere_and_only_once(site: Site, hold: Path) -> None:
    unplugged, split, asleep, well = site.machines
    shares = fill(site, hold)
    unplugged.unplug()
    # It gets no answers, but its requests arrive: what it has made may be written.
    split.cable.cut(there=False)
    asleep.fall_asleep()
    hold.touch()
    for share in shares.values():
        site.check_once(share, 3)
    attempts = {machine: {site.job(job)["attempts"] for job in share} for machine, share in shares.items()}
    assert (attempts[unplugged], attempts[asleep], attempts[well]) == ({2}, {2}, {1})

    # Of the jobs of the sleeper nothing is left when it wakes.
    gone = shares[asleep]
    for job_id in gone:
        found: Any = site.connection.keys(f"*{job_id}*")
        site.connection.delete(*found)
    asleep.wake()
    unplugged.plug_in()
    split.cable.mend()
    for job_id in shares[unplugged]:
        # Its machine is back: that was no crash.
        site.wait_until(lambda job_id=job_id: site.crashes(job_id) == 0, "it counts as a crash")
    hold.unlink()
    again = fill(site, hold)
    hold.touch()
    for share in (*again.values(), shares[unplugged], shares[split]):
        site.check_once(share, 3)
    assert [site.connection.keys(f"*{job_id}*") for job_id in gone] == [[]] * PLACES


def test_a_slow_line_loses_nothing(site: Site, hold: Path) -> None:
    slow = site.machines[0]
    slow.cable.slow(delay=0.2, rate=50_000)
    shares = fill(site, hold)
    hold.touch()
    for share in shares.values():
        site.check_once(share, 3)
    slow.cable.slow(0, 0)


def test_redis_and_the_gateway_are_killed_in_mid_batch(site: Site, hold: Path) -> None:
    shares = fill(site, hold)
    site.redis.kill()
    if site.gateway is not None:
        site.kill_gateway()
    site.redis.start()
    if site.join_key:
        site.open_gateway()
    hold.touch()
    for share in shares.values():
        site.check_once(share, 3)
    site.wait_ready()


def test_the_api_is_killed_and_a_stream_goes_on_where_it_was(site: Site, hold: Path) -> None:
    job_id = site.send(steps=50, hold=hold, stream=True)
    heard, last = "", ""
    with site.http.stream("GET", f"/v1/jobs/{job_id}/events") as response:
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                last = value
            if name == "data":
                heard += json.loads(value).get("text", "")
            if line == "" and "49 " in heard:
                break
    site.kill_api()
    hold.touch()
    site.start_api()
    site.check_once([job_id], 50)
    rest = "".join(event.data["text"] for event in story(site, job_id, last) if event.type == "delta")
    assert heard + rest == counted(50)


def test_random_kills_and_unplugs_lose_nothing(site: Site) -> None:
    havoc = Havoc(site, random.Random(17))
    jobs = [site.send(steps=5, pace=0.05) for _ in range(60)]
    for _ in range(3):
        havoc.strike()
        jobs += [site.send(steps=5, pace=0.05) for _ in range(10)]
    havoc.mend()
    site.check_once(jobs, 5)
    assert site.connection.zcard(keys.started("llm")) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="it joins at an address of its own")
def test_a_machine_of_another_version_says_so_and_takes_nothing(site: Site) -> None:
    odd = site.add("odd", OTHER_PROTOCOL=99)
    assert odd.process is not None
    assert odd.process.wait(200) == WRONG_SETTING
    told = site.log.read_text()
    assert "(protocol 99-" in told
    assert "install the same version on both" in told
    odd.close()
    site.machines.remove(odd)


@pytest.mark.skipif(sys.platform != "linux", reason="it joins at an address of its own")
def test_after_an_upgrade_of_the_server_a_machine_of_before_takes_nothing(site: Site) -> None:
    """The last story of this module: it leaves no machine."""
    machine, *others = site.machines
    for other in others:
        other.kill()
    site.http.post("/v1/queue/pause").raise_for_status()
    job_id = site.send()
    before = site.log.read_text().count("install the same version on both")
    site.kill_gateway()
    site.open_gateway("tests.machines.next_gateway")
    site.http.post("/v1/queue/resume").raise_for_status()
    assert machine.process is not None
    assert machine.process.wait(200) == WRONG_SETTING
    assert site.log.read_text().count("install the same version on both") > before
    assert site.job(job_id)["status"] == "queued"
