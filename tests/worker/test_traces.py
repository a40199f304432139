"""Traces: one across the API and the worker, told to a collector by OTLP."""

import gzip
import json
import logging
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from config.settings import Settings
from jobs import tracing
from tests.support.api_server import ApiServer
from worker.host import WorkerHost

CALLER = "00f067aa0ba902b7"
SECRET = "an elephant in Toledo"


class Collector:
    """Takes spans by OTLP over HTTP, at `address`."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._came = threading.Condition()
        self.resources: list[dict[str, Any]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def take(self, request: ExportTraceServiceRequest) -> None:
        with self._came:
            for each in request.resource_spans:
                self.resources.append(values(each.resource.attributes))
                self._spans += [span for scope in each.scope_spans for span in scope.spans]
            self._came.notify_all()

    def trace(self, trace: str, spans: int) -> dict[str, Span]:
        """The spans of a trace by their names, when there are so many."""

        def found() -> list[Span]:
            return [span for span in self._spans if span.trace_id.hex() == trace]

        with self._came:
            assert self._came.wait_for(lambda: len(found()) >= spans, 60), [span.name for span in found()]
            return {span.name: span for span in found()}

    def work(self, job_id: str) -> Span:
        """The span of a job's work."""

        def found() -> list[Span]:
            return [
                span for span in self._spans if values(span.attributes).get("gen_ai.response.id") == job_id
            ]

        with self._came:
            assert self._came.wait_for(found, 60)
            return found()[0]

    def __enter__(self) -> "Collector":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def values(attributes: Any) -> dict[str, Any]:
    """Attributes as plain values."""
    found = {}
    for each in attributes:
        kind = each.value.WhichOneof("value")
        value = getattr(each.value, kind)
        found[each.key] = [one.string_value for one in value.values] if kind == "array_value" else value
    return found


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def traced(collector: Collector, redis_url: str, models: Path) -> Iterator[httpx.Client]:
    """The API and a real worker, in this process."""
    with pytest.MonkeyPatch.context() as patch, redis.Redis.from_url(redis_url) as connection:
        connection.flushall()
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
        # Milliseconds between two exports.
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        settings = Settings(
            redis_url=redis_url,
            llm_model="none-at-start",
            model_roots=(models,),
            auto_download=False,
            drain_timeout=1,
        )
        tracing.start(settings, "worker")
        host = WorkerHost(settings)
        host.start()
        with ApiServer(settings) as api, httpx.Client(base_url=api.url, timeout=60) as http:
            yield http
        host.drain()
        tracing.stop()
        connection.flushall()


def ask(http: httpx.Client, trace: str = "", **fields: Any) -> httpx.Response:
    body = {"model": "first", "messages": [{"role": "user", "content": SECRET}], "max_tokens": 3, **fields}
    headers = {"x-app": "notes", **({"traceparent": f"00-{trace}-{CALLER}-01"} if trace else {})}
    return http.post("/v1/chat/completions", json=body, headers=headers)


def test_a_request_is_one_trace_from_its_caller_to_its_tokens(
    traced: httpx.Client, collector: Collector
) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = ask(traced, trace, temperature=0.5).raise_for_status().json()
    spans = collector.trace(trace, 6)
    request, work = spans["POST /v1/chat/completions"], spans["chat first"]
    assert set(spans) == {request.name, work.name, "queue", "load", "prefill", "decode"}
    assert request.parent_span_id.hex() == CALLER
    assert request.kind == Span.SPAN_KIND_SERVER
    assert {spans[name].parent_span_id for name in ("queue", "chat first")} == {request.span_id}
    assert {spans[name].parent_span_id for name in ("load", "prefill", "decode")} == {work.span_id}
    order = [spans[name] for name in ("queue", "load", "prefill", "decode")]
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in order)
    assert [span.start_time_unix_nano for span in order] == sorted(
        span.start_time_unix_nano for span in order
    )
    assert spans["queue"].end_time_unix_nano == work.start_time_unix_nano
    told = values(work.attributes)
    assert told["mlxq.app"] == "notes"
    assert {name: value for name, value in told.items() if name.startswith("gen_ai.")} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "mlxq",
        "gen_ai.request.model": "first",
        "gen_ai.request.max_tokens": 3,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.response.id": answer["id"],
        "gen_ai.response.finish_reasons": [answer["choices"][0]["finish_reason"]],
        "gen_ai.usage.input_tokens": answer["usage"]["prompt_tokens"],
        "gen_ai.usage.output_tokens": answer["usage"]["completion_tokens"],
        "gen_ai.usage.cache_read.input_tokens": 0,
    }
    asked = values(request.attributes)
    assert (asked["http.route"], asked["http.response.status_code"]) == ("/v1/chat/completions", 200)
    assert asked["mlxq.request_id"] == answer["id"]
    assert not any(SECRET.encode() in span.SerializeToString() for span in spans.values())
    assert collector.resources[0]["service.name"] == "mlxq"


def test_refused_and_failed_requests_are_errors_where_they_are_the_servers(
    traced: httpx.Client, collector: Collector
) -> None:
    trace = "a" * 32
    assert ask(traced, trace, max_tokens=-2).status_code == 400
    (span,) = collector.trace(trace, 1).values()
    assert (values(span.attributes)["http.response.status_code"], span.status.code) == (
        400,
        Status.STATUS_CODE_UNSET,
    )
    # A traceparent that is none begins a trace of its own.
    job = traced.post(
        "/v1/completions",
        json={"model": "first", "prompt": "x" * 90_000, "background": True},
        headers={"traceparent": "00-nonsense"},
    ).json()
    assert traced.get(f"/v1/jobs/{job['id']}?wait=30").json()["status"] == "failed"
    work = collector.work(job["id"])
    assert (work.name, work.status.code) == ("text_completion first", Status.STATUS_CODE_ERROR)
    assert values(work.attributes)["error.type"] == "context_length_exceeded"


def test_texts_are_there_where_they_are_wanted(
    traced: httpx.Client, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
    tracing.stop()
    tracing.start(Settings(otel_content="true"), "worker")
    answer = ask(traced).raise_for_status().json()
    told = values(collector.work(answer["id"]).attributes)
    assert json.loads(told["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": SECRET}]}
    ]
    (said,) = json.loads(told["gen_ai.output.messages"])
    assert said["parts"][0]["content"] == answer["choices"][0]["message"]["content"]
    tracing.stop()
    tracing.start(Settings(), "worker")


def test_without_the_extra_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = tracing.spans()
    monkeypatch.setattr(tracing, "_spans", None)
    monkeypatch.delitem(sys.modules, "jobs.tracing.otel", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with caplog.at_level(logging.WARNING):
        tracing.start(Settings(otel_endpoint="http://127.0.0.1:4318"), "api")
    assert tracing.spans() is None
    assert "pip install 'mlxq[otel]'" in caplog.text
    monkeypatch.setattr(tracing, "_spans", before)


@pytest.mark.parametrize(
    "values_", [{}, {"otel_sdk_disabled": "TRUE"}, {"otel_traces_exporter": "none"}], ids=str
)
def test_there_are_none_unless_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, values_: dict[str, str]
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    endpoint = {"otel_endpoint": "http://127.0.0.1:4318"} if values_ else {}
    assert not Settings(**endpoint, **values_).traces  # type: ignore[arg-type]
