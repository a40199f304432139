"""Two API processes on one Redis: they share nothing else, and each knows what the other one has accepted."""

from collections.abc import Callable

import pytest

from jobs import keys
from tests.machines import mixed
from tests.machines.site import Site, client_of
from tests.support.batches import CHAT, ENDED, chats, jsonl

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(make_site: Callable[..., Site]) -> Site:
    """With one machine, whose model is real."""
    site = make_site(apis=2)
    site.add("real", module="worker")
    site.wait_ready()
    return site


@pytest.fixture
def other(site: Site) -> int:
    """The port of the second one."""
    (port,) = site.others
    return port


def test_requests_of_all_kinds_go_on_at_the_other_one(site: Site, other: int) -> None:
    number = 2 * len(mixed.STORIES)
    counts = mixed.run([lambda: client_of(site.port), lambda: client_of(other)], number, threads=4)
    assert set(counts.values()) == {2}
    # Neither waits for what has ended.
    site.wait_until(lambda: not site.connection.keys(keys.watchers("*")), "jobs are watched for ever")
    assert site.connection.zcard(keys.started("llm")) == 0


def test_what_a_killed_api_began_ends_at_the_other_one(site: Site, other: int) -> None:
    """Streams, a batch and jobs that wait: whoever comes to the other process gets all of it."""
    with client_of(other) as there:
        file = there.post(
            "/v1/files",
            data={"purpose": "batch"},
            files={"file": ("a", jsonl(chats(40, mixed.MODEL, max_tokens=4)))},
        ).raise_for_status()
        body = {"input_file_id": file.json()["id"], "endpoint": CHAT, "completion_window": "24h"}
        batch = there.post("/v1/batches", json=body).raise_for_status().json()["id"]
        # It must not have ended, and its answer not have gone out, when the process is killed.
        stream = mixed.chat_body(900, stream=True, max_tokens=3000)
        waiting = mixed.chat_body(901, background=True)
        job_id = there.post("/v1/chat/completions", json=waiting).raise_for_status().json()["id"]
        with there.stream("POST", "/v1/chat/completions", json=stream) as answer:
            streamed = answer.headers["x-request-id"]
            # Held: a client whose lines are forgotten disconnects, and its job makes way for others.
            lines = answer.iter_lines()
            next(line for line in lines if "content" in line)
            site.kill_other(other)
            del lines
    whole = {**stream, "stream": False}
    again = site.http.post("/v1/chat/completions", json=whole, headers=mixed.RETRY).raise_for_status().json()
    assert again["id"] == streamed
    assert again["usage"]["completion_tokens"] == 3000
    assert site.job(streamed)["attempts"] == 1
    site.wait_until(lambda: site.job(job_id)["status"] == "completed", "it does not end")

    def ended() -> bool:
        return site.http.get(f"/v1/batches/{batch}").json()["status"] in ENDED

    site.wait_until(ended, "the batch does not end")
    assert site.http.get(f"/v1/batches/{batch}").json()["request_counts"] == {
        "total": 40,
        "completed": 40,
        "failed": 0,
    }
    site.start_other(other)
    with client_of(other) as there:
        assert there.get(f"/v1/jobs/{streamed}").json()["status"] == "completed"
