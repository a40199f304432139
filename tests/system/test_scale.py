"""A thousand clients wait at once on a handful of connections; what has expired leaves nothing behind."""

import asyncio
import contextlib
import json
import resource
from collections import Counter
from collections.abc import Callable

import httpx
import pytest
import redis

from tests.support.jobs import waiting
from tests.support.stories import outcome, submit
from tests.support.system import System

CLIENTS = 1000
#: To Redis, however many clients there are: nine of the API, two for each queue of the worker, and one for each other
#: thread of it that asks at the same moment.
CONNECTIONS = 40
#: What is there as long as the server, however many jobs it had: of processes, lanes and models, not of jobs.
STANDING = (
    "rq:workers",
    "rq:worker:",
    "rq:queues",
    "mlxq:api:",
    "mlxq:inventory:",
    "mlxq:machines:",
    "mlxq:workers",
    "mlxq:worker:",
    "mlxq:runs:llm",
    "mlxq:waits:llm",
    "mlxq:logs",
    "mlxq:metrics",
    "mlxq:usage",
    "mlxq:turns:",
    "mlxq:shares:",
    "mlxq:models:",
)


@pytest.fixture(autouse=True)
def _open_files() -> None:
    """Each client has a socket."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))


@pytest.mark.slow
def test_a_thousand_waiting_clients_are_all_answered(make_system: Callable[..., System]) -> None:
    system = make_system(QUEUE_LIMIT=2000)
    system.http.post("/v1/queue/pause").raise_for_status()
    connection = redis.Redis.from_url(system.redis.url)

    async def ask(http: httpx.AsyncClient, number: int) -> str:
        body = {
            "model": "first",
            "messages": [{"role": "user", "content": f"number {number}"}],
            "max_tokens": 2,
            "stream": number % 2 == 0,
        }
        answer = await http.post("/v1/chat/completions", content=json.dumps(body))
        whole = answer.text.endswith("data: [DONE]\n\n") or '"finish_reason"' in answer.text
        return f"{answer.status_code} {'whole' if whole else answer.text[:200]}"

    async def crowd() -> Counter[str]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=system.url, limits=limits, timeout=200) as http:
            calls = [asyncio.create_task(ask(http, number)) for number in range(CLIENTS)]
            while len(waiting(connection)) < CLIENTS:
                assert [call for call in calls if call.done()] == []
                await asyncio.sleep(0.05)
            assert len(connection.client_list()) <= CONNECTIONS
            await http.post("/v1/queue/resume")
            answers = Counter(await asyncio.gather(*calls))
            assert len(connection.client_list()) <= CONNECTIONS
            return answers

    assert asyncio.run(crowd()) == {"200 whole": CLIENTS}
    connection.close()


def test_nothing_of_a_job_is_left_after_its_time(make_system: Callable[..., System]) -> None:
    system = make_system(RESULT_TTL=2, EVENTS_TTL=1)
    jobs = [submit(system, f"short-lived {number}", max_tokens=3) for number in range(20)]
    system.http.post(f"/v1/jobs/{jobs[-1]}/cancel")
    for job_id in jobs[:-1]:
        system.wait_until(
            lambda job_id=job_id: system.http.get(f"/v1/jobs/{job_id}").status_code == 404,
            "it stays",
        )
    with redis.Redis.from_url(system.redis.url, decode_responses=True) as connection:

        def left() -> list[str]:
            return [str(key) for key in connection.scan_iter() if not str(key).startswith(STANDING)]

        with contextlib.suppress(AssertionError):
            system.wait_until(lambda: not left(), "keys are left", timeout=30)
        assert left() == []
    assert outcome(system, submit(system, "and on it goes", max_tokens=3))["status"] == "completed"
