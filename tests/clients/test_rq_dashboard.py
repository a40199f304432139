"""RQ's own tools on the whole product: they know nothing of mlxq and tell the truth."""

import importlib
import os
import subprocess
import sys
from typing import Any

import pytest
from flask import Flask
from rq.serializers import JSONSerializer

from tests.clients.conftest import MAX_RUN_TIME
from tests.clients.held import Held
from tests.support.stories import outcome, said, submit
from tests.support.system import System


class Dashboard:
    """rq-dashboard's application, as `rq-dashboard --json --redis-url …` sets it up."""

    def __init__(self, redis_url: str) -> None:
        web: Any = importlib.import_module("rq_dashboard.web")
        app = Flask("dashboard")
        app.config["RQ_DASHBOARD_REDIS_URL"] = redis_url
        app.register_blueprint(web.blueprint)
        web.config.serializer = JSONSerializer
        web.setup_rq_connection(app)
        self._client = app.test_client()

    def get(self, path: str) -> Any:
        answer = self._client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json

    def jobs(self, registry: str) -> list[str]:
        listed = self.get(f"/0/data/jobs/llm/{registry}/100/asc/1.json")
        return [job["id"] for job in listed["jobs"]]

    def queues(self) -> dict[str, int]:
        """Every queue that has jobs, and their number."""
        return {
            each["name"]: each["count"] for each in self.get("/0/data/queues.json")["queues"] if each["count"]
        }

    def waiting(self) -> list[str]:
        """The jobs of all these queues."""
        pages = [self.get(f"/0/data/jobs/{name}/queued/100/asc/1.json") for name in self.queues()]
        return [job["id"] for page in pages for job in page["jobs"]]

    def states(self) -> set[str]:
        """Those of the worker's lanes."""
        return {lane["state"] for lane in self.get("/0/data/workers.json")["workers"]}

    def job(self, job_id: str) -> Any:
        return self.get(f"/0/data/job/{job_id}.json")


@pytest.fixture
def dashboard(strict: System) -> Dashboard:
    return Dashboard(strict.redis.url)


def test_the_dashboard_shows_what_became_of_jobs(strict: System, dashboard: Dashboard) -> None:
    finished = submit(strict, "done", max_tokens=5)
    answer = outcome(strict, finished)
    failed = submit(strict, "too slow", max_tokens=50_000)
    outcome(strict, failed)
    cancelled = submit(strict, "unwanted", max_tokens=50_000)
    strict.http.post(f"/v1/jobs/{cancelled}/cancel").raise_for_status()
    outcome(strict, cancelled)

    assert finished in dashboard.jobs("finished")
    assert failed in dashboard.jobs("failed")
    assert cancelled in dashboard.jobs("canceled")

    shown = dashboard.job(finished)
    assert (shown["origin"], shown["status"]) == ("llm", "finished")
    assert shown["result"]["choices"][0]["text"] == said(answer)
    assert shown["ended_at"] >= shown["started_at"] >= shown["created_at"]
    shown = dashboard.job(failed)
    assert (shown["status"], shown["exc_info"]) == (
        "failed",
        f"The job ran longer than {MAX_RUN_TIME} s (MAX_RUN_TIME).",
    )


def test_the_dashboard_shows_what_waits(strict: System, dashboard: Dashboard) -> None:
    with Held(strict):
        waiting = strict.http.get("/v1/jobs?status=queued").json()["data"][0]["id"]
        assert dashboard.waiting() == [waiting]
        assert dashboard.job(waiting)["status"] == "queued"
        ((name, count),) = dashboard.queues().items()
        assert name.startswith("llm:normal:python-httpx")
        assert count == strict.http.get("/v1/queue/stats").json()["queues"]["llm"]["waiting"] == 1
    assert dashboard.waiting() == []


def test_the_dashboard_shows_who_works(strict: System, dashboard: Dashboard) -> None:
    jobs: list[str] = []

    def shown() -> bool:
        """A lane tells its state by its beat: a job that was too short for one is followed by another."""
        if not jobs or strict.job(jobs[-1])["status"] == "failed":
            jobs.append(submit(strict, "work", max_tokens=50_000))
        return "busy" in dashboard.states()

    strict.wait_until(shown, "no lane is busy")
    strict.http.post(f"/v1/jobs/{jobs[-1]}/cancel")
    outcome(strict, jobs[-1])


def test_both_of_rqs_tools_list_the_workers_lanes(strict: System, dashboard: Dashboard) -> None:
    lanes = dashboard.get("/0/data/workers.json")["workers"]
    queues = [queue for lane in lanes for queue in lane["queues"]]
    assert len(queues) == len(set(queues)) == len(lanes), "a lane has one queue, and a queue one lane"
    assert {"llm", "embedding"} <= set(queues)
    # `rq info` looks for the workers of queues that have had a job.
    outcome(strict, submit(strict, "one", max_tokens=1))
    command = [sys.executable, "-m", "rq.cli", "info", "--url", strict.redis.url, "--raw"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ)).stdout
    (llm,) = [lane for lane in lanes if lane["queues"] == ["llm"]]
    assert llm["name"] in told
    assert "queue llm 0" in told
