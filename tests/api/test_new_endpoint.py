"""A new endpoint in a dialect of its own, all of it in this file: `RESOURCE` is what `api/app.py` has to name.

Parrots answer with what they were told. Their streams are NDJSON, their errors are plain texts.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import orjson
import pytest
from fastapi import APIRouter, Request, Response
from typing_extensions import TypedDict

from api.app import RESOURCES, create_app
from api.dispatch.job_schema import by_job
from api.dispatch.job_stream import stream
from api.dispatch.progress import JobProgress
from api.dispatch.renderers import Answered, Renderer
from api.dispatch.resource import Resource
from api.dispatch.run import run
from api.dispatch.sent_answer import AnswerPiece
from api.dispatch.submission import job_request, model_of
from api.dispatch.text_stream import TextFrames
from api.http.bodies.body import read_body
from api.http.bodies.fields import RequestModel
from api.http.job_options.prefer import preference
from api.http.openapi import takes
from api.http.routes.dialect import Dialect
from api.openai.completions.schema import CompletionRequest
from api.openai.dialect import OPENAI
from config.settings import Settings
from jobs.errors import EngineFailure, MlxqError
from jobs.kinds import Kind
from jobs.meta import Meta
from jobs.results import TextResult
from tests.api.conftest import MakeSettings
from tests.support.api_server import ApiServer
from tests.support.events import EventType
from tests.support.scripted_worker import Run, ScriptedWorker

# The endpoint.


class Complaint(TypedDict):
    error: str


class _Parrots(Dialect):
    name = "parrot"
    error_type = Complaint

    def error_body(self, error: MlxqError, request_id: str) -> Complaint:
        return {"error": error.message}

    def error_status(self, error: MlxqError) -> int:
        return 529 if error.status == 429 else error.status

    def error_headers(self, error: MlxqError, request_id: str) -> Mapping[str, str]:
        return {"parrot-id": request_id}


PARROT = _Parrots()


class ParrotRequest(RequestModel):
    model: str = "default"
    say: str
    loudly: bool = False
    stream: bool = False


class ParrotMeta(Meta, frozen=True, kw_only=True):
    loudly: bool


class ParrotAnswer(TypedDict):
    model: str | None
    says: str


def _answer(job: Answered[ParrotMeta, TextResult]) -> ParrotAnswer:
    text = job.result.choices[0].text
    return {"model": job.meta.model, "says": text.upper() if job.meta.loudly else text}


class ParrotFrames(TextFrames):
    headers = {"content-type": "application/x-ndjson"}  # noqa: RUF012

    def piece(self, piece: AnswerPiece) -> bytes:
        return _line(says=piece.text)

    def finish(self, index: int, reason: str) -> bytes:
        return b""

    def close(self, result: Any) -> bytes:
        return _line(done=True)

    def alive(self, progress: JobProgress) -> bytes:
        return _line(waits=progress.position)

    def failed(self, error: MlxqError) -> bytes:
        return _line(error=error.message)


def _line(**fields: object) -> bytes:
    return orjson.dumps(fields) + b"\n"


router = APIRouter()


@router.post(
    "/v1/parrot",
    response_class=Response,
    openapi_extra=takes(ParrotRequest) | by_job(ParrotAnswer),
)
async def parrot(request: Request) -> Response:
    body = await read_body(request, ParrotRequest)
    wanted, preferred = body.value, preference(request.headers)
    ref = await model_of(request, wanted.model)
    job = job_request(
        request,
        dialect=PARROT,
        kind=Kind.COMPLETION,
        model=ref,
        payload=CompletionRequest(model=wanted.model, prompt=[wanted.say]).payload(),
        meta=ParrotMeta(model=wanted.model, loudly=wanted.loudly),
        preference=preferred,
        stream=wanted.stream,
    )
    if wanted.stream:
        return stream(request, job, lambda _: ParrotFrames(), body.headers, content=ParrotFrames.headers)
    return await run(request, job, preferred, body.headers)


RESOURCE = Resource(
    PARROT,
    routers=(router,),
    renderers=(Renderer(PARROT, Kind.COMPLETION, ParrotMeta, _answer, name="squawk", prefix="prt-"),),
    large={"/v1/parrot": lambda settings: 2 * settings.max_body_bytes},
)


# Its stories.


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings(max_body_mb=1)


@pytest.fixture
def birds(settings: Settings, worker: ScriptedWorker) -> Iterator[httpx.Client]:
    """A server with parrots, and a worker that repeats what it is told."""
    app = create_app(settings, (*RESOURCES, RESOURCE))
    with ApiServer(settings, app) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        yield client


def told(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.parametrize("path", ["/v1/parrot", "/parrot"])
def test_it_answers(birds: httpx.Client, path: str) -> None:
    answer = birds.post(path, json={"say": "Polly", "loudly": True})
    assert answer.json() == {"model": "default", "says": "POLLY"}
    assert answer.headers["x-request-id"].startswith("prt-")


def test_who_polls_gets_the_same_answer(birds: httpx.Client) -> None:
    accepted = birds.post("/v1/parrot", json={"say": "Polly"}, headers={"prefer": "respond-async"})
    assert accepted.status_code == 202
    job = birds.get(f"/v1/jobs/{accepted.json()['id']}?wait=20").json()
    assert (job["status"], job["kind"], job["model"]) == ("completed", "squawk", "default")
    assert job["result"] == {"model": "default", "says": "Polly"}
    events = birds.get(f"/v1/jobs/{job['id']}/events").text
    assert '"result":{"model":"default","says":"Polly"}' in events
    assert [each["result"] for each in birds.get("/v1/jobs").json()["data"]] == [None]


def test_it_streams(birds: httpx.Client) -> None:
    answer = birds.post("/v1/parrot", json={"say": "Good day", "stream": True})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert "".join(line.get("says", "") for line in told(answer)) == "Good day"
    assert told(answer)[-1] == {"done": True}


def test_a_stream_that_waits_has_keep_alives(
    birds: httpx.Client, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.dispatch.pump.HEARTBEAT", 0.02)
    worker.pause()
    with birds.stream("POST", "/v1/parrot", json={"say": "a", "stream": True}) as answer:
        lines = answer.iter_lines()
        assert '{"waits":1}' in lines
        worker.resume()
        assert '{"says":"a"}' in lines


def _fails(run: Run) -> None:
    run.fail(EngineFailure("It bit."))


def _fails_late(run: Run) -> None:
    run.emit(EventType.DELTA, index=0, text="So")
    run.fail(EngineFailure("It bit."))


def test_errors_of_jobs_are_its_own(birds: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(_fails, _fails, _fails_late)
    answer = birds.post("/v1/parrot", json={"say": "Polly"})
    assert (answer.status_code, answer.json()) == (500, {"error": "It bit."})
    assert answer.headers["parrot-id"] == answer.headers["x-request-id"]
    assert birds.get(f"/v1/jobs/{answer.headers['x-request-id']}").json()["error"] == "It bit."
    early = birds.post("/v1/parrot", json={"say": "Polly", "stream": True})
    assert (early.status_code, early.json()) == (500, {"error": "It bit."})
    late = birds.post("/v1/parrot", json={"say": "Polly", "stream": True})
    assert (late.status_code, told(late)) == (200, [{"says": "So"}, {"error": "It bit."}])


Ask = Callable[[httpx.Client], httpx.Response]


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (lambda birds: birds.post("/v1/parrot", json={"say": 1}), 400),
        (lambda birds: birds.post("/parrot", content=b"{"), 400),
        (lambda birds: birds.post("/v1/parrot", json={"say": "a", "model": "nobody"}), 404),
        (lambda birds: birds.get("/v1/parrot"), 405),
        (lambda birds: birds.post("/v1/parrot", content=b" " * 2**22), 413),
        (lambda birds: birds.post("/v1/parrot", headers={"host": "evil.example"}), 403),
        (lambda birds: birds.post("/v1/parrot", headers={"content-encoding": "lzw"}), 415),
    ],
)
def test_errors_before_a_job_are_its_own(birds: httpx.Client, ask: Ask, status: int) -> None:
    answer = ask(birds)
    assert answer.status_code == status
    assert answer.json().keys() == {"error"}
    assert isinstance(answer.json()["error"], str)
    assert answer.headers["parrot-id"] == answer.headers["x-request-id"]


def test_a_dialect_has_statuses_of_its_own(make_settings: MakeSettings, worker: ScriptedWorker) -> None:
    settings = make_settings(queue_limit=1)
    worker.pause()
    with ApiServer(settings, create_app(settings, (*RESOURCES, RESOURCE))) as server:
        ask = {"json": {"say": "a"}, "headers": {"prefer": "respond-async"}}
        assert httpx.post(f"{server.url}/v1/parrot", **ask).status_code == 202  # type: ignore[arg-type]
        full = httpx.post(f"{server.url}/v1/parrot", **ask)  # type: ignore[arg-type]
    assert (full.status_code, full.json().keys()) == (529, {"error"})
    assert int(full.headers["retry-after"]) >= 1


def test_a_key_is_asked_for_in_its_words(make_settings: MakeSettings) -> None:
    settings = make_settings(api_keys="secret")
    with ApiServer(settings, create_app(settings, (*RESOURCES, RESOURCE))) as server:
        answer = httpx.post(f"{server.url}/v1/parrot", json={"say": "a"})
        other = httpx.post(f"{server.url}/v1/chat/completions", json={})
        nowhere = httpx.get(f"{server.url}/v1/nowhere")
    assert answer.status_code == other.status_code == nowhere.status_code == 401
    assert answer.json() == {"error": other.json()["error"]["message"]}
    assert nowhere.json()["error"]["type"] == "authentication_error"


def test_what_no_resource_has_is_answered_as_openai_does(birds: httpx.Client) -> None:
    nowhere = birds.get("/v1/parrots")
    assert nowhere.status_code == 404
    assert nowhere.json()["error"]["code"] == "not_found"


def test_it_is_described(birds: httpx.Client) -> None:
    description = birds.get("/openapi.json").json()
    operation = description["paths"]["/v1/parrot"]["post"]
    shapes = description["components"]["schemas"]
    assert set(shapes["ParrotRequest"]["properties"]) == {"model", "say", "loudly", "stream"}
    assert set(shapes["ParrotAnswer"]["properties"]) == {"model", "says"}
    assert set(shapes["Complaint"]["properties"]) == {"error"}
    error = operation["responses"]["default"]["content"]["application/json"]["schema"]
    assert error == {"$ref": "#/components/schemas/Complaint"}


def test_two_renderers_of_the_same_are_refused(settings: Settings) -> None:
    again = Resource(OPENAI, routers=(), renderers=RESOURCE.renderers)
    with pytest.raises(ValueError, match="two renderers of 'completion' in the dialect 'parrot'"):
        create_app(settings, (*RESOURCES, RESOURCE, again))
