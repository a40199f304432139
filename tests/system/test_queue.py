"""Pauses and order with all processes, also while they are killed; and RQ's own view of it."""

from datetime import datetime, timedelta

import redis
from rq import Queue
from rq.serializers import JSONSerializer

from tests.support.stories import check_whole, outcome, submit
from tests.support.system import System


def rqs_counts(connection: redis.Redis) -> int:
    """Waiting chats as RQ counts them."""
    queues = Queue.all(connection, serializer=JSONSerializer)
    return sum(queue.count for queue in queues if queue.name.split(":")[0] == "llm")


def test_a_pause_and_the_order_survive_the_death_of_everything(system: System) -> None:
    running = submit(system, "it runs", max_tokens=3500)
    system.wait_until(lambda: system.job(running)["status"] == "in_progress", "it does not start")
    connection = redis.Redis.from_url(system.redis.url)
    system.http.post("/v1/queue/pause?queue=llm&running=requeue").raise_for_status()
    system.wait_until(lambda: system.job(running)["status"] == "queued", "it does not go back")
    normal = submit(system, "normal", max_tokens=3)
    held = submit(system, "held", max_tokens=3)
    last = submit(system, "background", max_tokens=3, priority="background")
    first = submit(system, "urgent", max_tokens=3, priority="interactive")
    system.http.post(f"/v1/jobs/{held}/hold").raise_for_status()
    order = {first: 1, running: 2, normal: 3, held: None, last: 4}
    assert {each: system.job(each)["position"] for each in order} == order
    assert rqs_counts(connection) == 4

    system.kill_worker()
    system.kill_api()
    system.redis.stop()
    system.redis.start()
    system.start_worker()
    system.start_api()
    system.wait_healthy()

    assert {each: system.job(each)["position"] for each in order} == order
    assert {system.job(each)["waits_for"] for each in order} == {"paused", "held"}
    stats = system.http.get("/v1/queue/stats").json()["queues"]["llm"]
    assert (stats["paused"], stats["waiting"], rqs_counts(connection)) == (True, 5, 4)
    system.http.post("/v1/queue/resume").raise_for_status()
    ended = [outcome(system, each) for each in (first, running, normal, last)]
    assert [each["status"] for each in ended] == ["completed"] * 4
    assert system.job(held)["waits_for"] == "held"
    system.http.post(f"/v1/jobs/{held}/release").raise_for_status()
    assert outcome(system, held)["status"] == "completed"
    text = system.job(running)["result"]["choices"][0]["message"]["content"]
    check_whole(system, running, text)
    connection.close()


def test_the_night_shift_outlasts_the_death_of_its_worker(system: System) -> None:
    """In hours in which it is not now."""

    def hours(value: str) -> None:
        system.http.put("/v1/settings/background_hours", json={"value": value}).raise_for_status()

    def rests(job_id: str) -> bool:
        return bool(system.job(job_id)["waits_for"] == "policy")

    begin, end = (datetime.now() + timedelta(hours=ahead) for ahead in (12, 13))
    hours(f"{begin:%H}-{end:%H}")
    try:
        system.wait_until(lambda: system.http.get("/v1/queue/stats").json()["resting"], "nobody rests")
        later = submit(system, "later", max_tokens=3, priority="background")
        assert outcome(system, submit(system, "now", max_tokens=3))["status"] == "completed"
        system.wait_until(lambda: rests(later), "it does not wait")
        assert system.job(later)["wait_reason"] == f"background work waits until {begin.hour}:00"
        system.kill_worker()
        system.start_worker()
        system.wait_healthy()
        assert outcome(system, submit(system, "now", max_tokens=3))["status"] == "completed"
        assert rests(later)
        assert system.job(later)["attempts"] == 0
    finally:
        hours("")
    assert outcome(system, later)["status"] == "completed"
