"""Spans of requests and executions, by OpenTelemetry's SDK, sent by OTLP as the environment says.

A request's span is the parent of what the worker did for it: the job's hash carries its context. The worker makes its
spans when an execution has ended, from the times that it has anyway. Attributes are those of the semantic conventions
for generative AI; texts are left out unless they are wanted.
"""

import threading
import time
from collections.abc import Mapping

import orjson
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from config import VERSION
from jobs.consumer.execution import Execution
from jobs.errors import MlxqError
from jobs.kinds import Kind
from jobs.payloads import ChatPayload, CompletionPayload, TextPayload
from jobs.results import ImageResult, Result, TextResult

#: Seconds that a stop waits for the collector.
_PATIENCE = 1.0
_UNKNOWN_SERVICE = "unknown_service"
#: The conventions' names of what jobs do; other kinds have their own.
_OPERATIONS = {Kind.CHAT: "chat", Kind.COMPLETION: "text_completion", Kind.EMBEDDING: "embeddings"}
#: Characters of a chat's texts that a span has at most.
_LONGEST_CONTENT = 65_536

_NANO = 1_000_000_000

Attributes = Mapping[str, AttributeValue]


class RequestSpan:
    """The span of one HTTP request. `carrier` is its context as jobs carry it."""

    def __init__(self, span: Span, carrier: str) -> None:
        self.carrier = carrier
        self._span = span

    def end(self, status: int, attributes: Attributes) -> None:
        self._span.set_attribute("http.response.status_code", status)
        self._span.set_attributes(dict(attributes))
        if status >= 500:
            self._span.set_status(Status(StatusCode.ERROR))
            self._span.set_attribute("error.type", str(status))
        self._span.end()


class Spans:
    """Thread-safe. `content`: whether spans have the texts of chats."""

    def __init__(self, process: str, *, content: bool) -> None:
        resource = Resource.create()
        if str(resource.attributes.get(SERVICE_NAME, _UNKNOWN_SERVICE)).startswith(_UNKNOWN_SERVICE):
            resource = resource.merge(Resource({SERVICE_NAME: "mlxq"}))
        resource = resource.merge(Resource({"service.version": VERSION, "mlxq.process": process}))
        self._content = content
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("mlxq", VERSION)
        self._propagator = TraceContextTextMapPropagator()

    def close(self) -> None:
        """Send what is left, for at most `_PATIENCE` seconds."""
        sending = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        sending.start()
        sending.join(_PATIENCE)

    def flush(self) -> None:
        """Send what there is."""
        self._provider.force_flush()

    def request(self, name: str, headers: Mapping[str, str], attributes: Attributes) -> RequestSpan:
        """Begin the span of a request; its parent is what `traceparent` says."""
        span = self._tracer.start_span(
            name, self._propagator.extract(headers), kind=SpanKind.SERVER, attributes=dict(attributes)
        )
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, set_span_in_context(span))
        return RequestSpan(span, " ".join(filter(None, map(carrier.get, ("traceparent", "tracestate")))))

    def execution(self, execution: Execution, result: Result | None, error: MlxqError | None) -> None:
        """The spans of an execution that has ended now: its wait, and the work with its parts."""
        claim, clock = execution.claim, _Clock()
        parent = self._parent(claim.trace)
        claimed = clock.at(execution.claimed)
        if claim.waited is not None:
            self._span(
                "queue", parent, claimed - int(claim.waited * _NANO), claimed, {"mlxq.queue": claim.kind}
            )
        model = claim.model.rpartition("/")[2] if claim.model.startswith("/") else claim.model
        operation = _OPERATIONS.get(claim.kind, claim.kind.value)
        work = self._tracer.start_span(
            f"{operation} {model}",
            parent,
            kind=SpanKind.INTERNAL,
            start_time=claimed,
            attributes={
                "gen_ai.operation.name": operation,
                "gen_ai.provider.name": "mlxq",
                "gen_ai.request.model": model,
                "gen_ai.response.id": claim.job_id,
                "mlxq.app": claim.app,
                "mlxq.attempt": claim.attempt,
                "mlxq.service_class": claim.service_class.value,
                **_asked(claim.payload),
                **_answered(result),
                **(self._texts(claim.payload, result) if self._content else {}),
            },
        )
        inside = set_span_in_context(work, parent)
        if execution.loading is not None:
            loaded = clock.now if execution.began is None else clock.at(execution.began)
            self._span("load", inside, clock.at(execution.loading), loaded, {})
        if execution.began is not None:
            self._parts(inside, clock, clock.at(execution.began), result)
        if error is not None:
            work.set_status(Status(StatusCode.ERROR, error.code or error.type))
            work.set_attribute("error.type", error.code or error.type)
        elif result is None:
            work.set_attribute("mlxq.cancelled", True)
        work.end(clock.now)

    def _parts(self, inside: Context, clock: "_Clock", began: int, result: Result | None) -> None:
        match result:
            case TextResult(timings=timings, usage=usage):
                # From the end: what is before it begins to read is the engine's.
                written = clock.now - int(timings.generation_seconds * _NANO)
                read = max(began, written - int(timings.prompt_seconds * _NANO))
                self._span("prefill", inside, read, written, {"mlxq.tokens": usage.prompt_tokens})
                self._span("decode", inside, written, clock.now, {"mlxq.tokens": usage.completion_tokens})
            case ImageResult(steps=steps, images=images):
                self._span("steps", inside, began, clock.now, {"mlxq.steps": steps * len(images)})

    def _span(self, name: str, parent: Context, begin: int, end: int, attributes: Attributes) -> None:
        span = self._tracer.start_span(name, parent, start_time=begin, attributes=dict(attributes))
        span.end(max(begin, end))

    def _parent(self, trace: str) -> Context:
        """An empty context begins a trace of its own."""
        traceparent, _, tracestate = trace.partition(" ")
        return self._propagator.extract({"traceparent": traceparent, "tracestate": tracestate}, Context())

    def _texts(self, payload: object, result: Result | None) -> Attributes:
        """The conversation and its answers, in the conventions' JSON."""
        found: dict[str, AttributeValue] = {}
        if isinstance(payload, ChatPayload):
            asked = [
                {"role": str(each.get("role", "")), "parts": _text_parts(each.get("content"))}
                for each in payload.messages
            ]
            found["gen_ai.input.messages"] = _short(asked)
        elif isinstance(payload, CompletionPayload):
            texts = [each for each in payload.prompts if isinstance(each, str)]
            found["gen_ai.input.messages"] = _short(
                [{"role": "user", "parts": _text_parts(text)} for text in texts]
            )
        if isinstance(result, TextResult):
            found["gen_ai.output.messages"] = _short(
                [
                    {
                        "role": "assistant",
                        "parts": _text_parts(choice.text),
                        "finish_reason": choice.finish_reason,
                    }
                    for choice in result.choices
                ]
            )
        return found


class _Clock:
    """Times of the monotonic clock as nanoseconds of Unix time."""

    def __init__(self) -> None:
        self.now = time.time_ns()
        self._monotonic = time.monotonic()

    def at(self, moment: float) -> int:
        return self.now - int((self._monotonic - moment) * _NANO)


def _asked(payload: object) -> Attributes:
    if not isinstance(payload, TextPayload):
        return {}
    told = {
        "gen_ai.request.max_tokens": payload.max_tokens,
        "gen_ai.request.temperature": payload.temperature,
        "gen_ai.request.top_p": payload.top_p,
        "gen_ai.request.top_k": payload.top_k,
        "gen_ai.request.seed": payload.seed,
        "gen_ai.request.frequency_penalty": payload.frequency_penalty,
        "gen_ai.request.presence_penalty": payload.presence_penalty,
        "gen_ai.request.choice.count": payload.n if payload.n != 1 else None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _answered(result: Result | None) -> Attributes:
    if result is None:
        return {}
    read, written = result.tokens()
    found: dict[str, AttributeValue] = {}
    if read is not None:
        found["gen_ai.usage.input_tokens"] = read
    if written is not None:
        found["gen_ai.usage.output_tokens"] = written
    if isinstance(result, TextResult):
        found["gen_ai.usage.cache_read.input_tokens"] = result.usage.cached_tokens
        found["gen_ai.response.finish_reasons"] = [choice.finish_reason for choice in result.choices]
    return found


def _text_parts(content: object) -> list[dict[str, str]]:
    """The texts of a message; images and files are left out."""
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    texts = (each.get("text") for each in parts if isinstance(each, Mapping))
    return [{"type": "text", "content": text} for text in texts if isinstance(text, str)]


def _short(value: object) -> str:
    return orjson.dumps(value).decode()[:_LONGEST_CONTENT]
