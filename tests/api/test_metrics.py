"""`/metrics`: what Prometheus' own parser reads in it, whichever API process is asked."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from jobs import gate
from jobs.errors import MlxqError
from jobs.metrics import BOUNDS
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import Run, ScriptedWorker

Labels = dict[str, str]


class Figures:
    """The samples of an answer."""

    def __init__(self, api: ApiServer) -> None:
        answer = httpx.get(f"{api.url}/metrics")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        self.types: dict[str, str] = {}
        self.samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in text_string_to_metric_families(answer.text):
            assert family.documentation, family.name
            self.types[family.name] = family.type
            for sample in family.samples:
                self.samples[sample.name, frozenset(sample.labels.items())] = sample.value

    def of(self, name: str, **labels: str) -> float | None:
        return self.samples.get((name, frozenset(labels.items())))

    def labels(self, name: str) -> list[Labels]:
        return [dict(labels) for each, labels in self.samples if each == name]


@pytest.fixture
def apis(make_settings: MakeSettings) -> Iterator[list[ApiServer]]:
    with ApiServer(make_settings(linger_time=0)) as first, ApiServer(make_settings(linger_time=0)) as second:
        yield [first, second]


def ask(api: ApiServer, text: str = "Hello", **options: object) -> httpx.Response:
    return httpx.post(f"{api.url}/v1/chat/completions", json=chat(text, **options), timeout=60)


def fail(run: Run) -> None:
    run.fail(MlxqError("It broke."))


def test_each_process_tells_of_all(
    apis: list[ApiServer], worker: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    first, second = apis
    assert [ask(api, stream=stream).status_code for api in apis for stream in (False, True)] == [200] * 4
    worker.play(fail)
    assert ask(first).status_code == 500
    worker.announce(model="tiny", state="loaded", memory_bytes=123)
    worker.pause()
    waiting = [ask(second, background=True).json()["id"] for _ in range(3)]
    httpx.post(f"{first.url}/v1/jobs/{waiting[0]}/cancel").raise_for_status()
    for api in apis:
        told = Figures(api)
        kind = {"kind": "chat"}
        for outcome, number in (("completed", 4), ("failed", 1), ("cancelled", 1)):
            assert told.of("mlxq_jobs_total", **kind, outcome=outcome) == number
        for type_, number in (("prompt", 28), ("completion", 12), ("cached", 8)):
            assert told.of("mlxq_tokens_total", **kind, type=type_) == number
        assert told.of("mlxq_prompts_total", **kind, cache="hit") == 4
        assert told.of("mlxq_queue_jobs", queue="llm", state="waiting") == 2
        assert told.of("mlxq_queue_jobs", queue="llm", state="running") == 0
        for name, label, number in (
            ("mlxq_job_wait_seconds", {"queue": "llm"}, 5),
            ("mlxq_job_run_seconds", kind, 4),
            ("mlxq_time_to_first_token_seconds", kind, 4),
        ):
            assert told.of(f"{name}_count", **label) == number
            assert told.of(f"{name}_bucket", **label, le="+Inf") == number
            assert told.types[name] == "histogram"
        route = {"method": "POST", "route": "/v1/chat/completions"}
        assert told.of("mlxq_model_memory_bytes", worker="scripted", category="llm", model="tiny") == 123
        assert told.of("mlxq_workers") == 1
    # Those of the other process are written every two seconds, and when it is asked itself.
    assert told.of("mlxq_http_requests_total", **route, status="200") == 4
    assert told.of("mlxq_http_requests_total", **route, status="202") == 3
    assert told.of("mlxq_http_requests_total", **route, status="500") == 1
    worker.resume()


def test_clients_can_not_add_labels(apis: list[ApiServer], worker: ScriptedWorker) -> None:
    api = apis[0]
    for number in range(20):
        httpx.get(f"{api.url}/nothing/{number}")
        httpx.get(f"{api.url}/v1/jobs/job-{number}")
        httpx.request(f"VERB{number}", f"{api.url}/v1/jobs")
        ask(api, model=f"model-{number}")
    told = Figures(api)
    requests = told.labels("mlxq_http_requests_total")
    assert {each["route"] for each in requests} <= {
        *("other", "/v1/jobs", "/v1/jobs/{job_id}", "/v1/chat/completions", "/metrics")
    }
    assert {each["method"] for each in requests} <= {"GET", "POST", "other"}
    assert told.of("mlxq_http_requests_total", method="GET", route="/v1/jobs/{job_id}", status="404") == 20
    assert told.labels("mlxq_jobs_total") == []


def test_keys_are_asked_for(make_settings: MakeSettings) -> None:
    with ApiServer(make_settings(api_keys="secret")) as api:
        assert httpx.get(f"{api.url}/metrics").status_code == 401
        assert httpx.get(f"{api.url}/metrics", headers={"authorization": "Bearer secret"}).status_code == 200


def test_the_gate_has_the_same_buckets() -> None:
    script = (Path(gate.__file__).parent / "metrics.lua").read_text()
    (bounds,) = re.findall(r"local BOUNDS = \{(.*)\}", script)
    assert tuple(map(int, bounds.split(","))) == BOUNDS
