"""Bodies within the limit of bytes that hold far more values than any request needs."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import orjson
import pytest
from pydantic import AfterValidator
from starlette.requests import Request

import api.app  # noqa: F401  (every request model is defined)
from api.http.answers.validation import invalid
from api.http.bodies.body import read_body
from api.http.bodies.early import MAX_ENTRIES, stop_early
from api.http.bodies.fields import RequestModel
from api.http.bodies.json_size import MAX_CONTAINERS, MAX_VALUES, check_size
from api.http.callers.caller import Caller
from jobs.errors import InvalidRequest
from tests.api.requests import chat
from tests.support.scripted_worker import ScriptedWorker

FORM = {"content-type": "application/x-www-form-urlencoded"}


def models(model: type[RequestModel] = RequestModel) -> Iterator[type[RequestModel]]:
    for each in model.__subclasses__():
        if each.__module__.startswith("api."):
            yield each
        yield from models(each)


@pytest.mark.parametrize("model", sorted(set(models()), key=repr))
def test_every_list_of_a_request_stops_at_its_first_error(model: type[RequestModel]) -> None:
    schema = model.__pydantic_core_schema__
    assert stop_early(schema) == schema


WRONG: list[tuple[str, Any]] = [
    ("/v1/chat/completions", {"messages": [1] * 10_000}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a", "tool_calls": [1] * 10_000}]}),
    ("/v1/chat/completions", chat(stop=[1] * 10_000)),
    ("/v1/chat/completions", chat(tools=[{}] * 10_000)),
    ("/v1/chat/completions", chat(logit_bias={f"x{i}": 9e9 for i in range(MAX_ENTRIES + 1)})),
    ("/v1/embeddings", {"input": [{}] * 10_000}),
    ("/v1/completions", {"prompt": [{}] * 10_000}),
    ("/v1/images/generations", {"prompt": "a", "image": [1] * 10_000}),
    ("/v1/images/edits", {"prompt": "a", "images": [1] * 10_000}),
    ("/v1/images/edits", {"prompt": "a", "image": "AAAA", "loras": [1] * 10_000}),
    ("/v1/audio/transcriptions", {"file": "AAAA", "timestamp_granularities": [1] * 10_000}),
]


@pytest.mark.parametrize(("path", "body"), WRONG)
def test_one_error_is_made_of_many(
    http: httpx.Client, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch, path: str, body: Any
) -> None:
    counts: list[int] = []

    def count(errors: Any, data: Any) -> InvalidRequest:
        counts.append(len(errors))
        return invalid(errors, data)

    monkeypatch.setattr("api.http.bodies.body.invalid", count)
    answer = http.post(path, json=body)
    assert answer.status_code == 400
    assert len(answer.content) < 1_000
    assert all(each <= 5 for each in counts)


@pytest.mark.parametrize(
    "raw",
    [
        b"[" + b"1," * (MAX_VALUES + 1) + b"1]",
        b"[" + b"[]," * MAX_CONTAINERS + b"[]]",
        b"[" + b"{}," * MAX_CONTAINERS + b"{}]",
        b"[" + b'"",' * (MAX_VALUES + 1) + b'""]',
        b'["' + b"," * MAX_VALUES + b'",' + b"1," * (MAX_VALUES + 1) + b"1]",
        b'["\\\\",' + b"1," * (MAX_VALUES + 1) + b"1]",
        b'["\\"",' + b"1," * (MAX_VALUES + 1) + b"1]",
        b"{" + b",".join(b'"%d":1' % i for i in range(MAX_VALUES // 2 + 1)) + b"}",
    ],
    ids=lambda raw: raw[:12].decode(),
)
def test_too_many_values_are_counted_before_they_are_made(raw: bytes) -> None:
    with pytest.raises(InvalidRequest, match="too many values"):
        check_size(raw)


@pytest.mark.parametrize(
    "value",
    [
        [1] * MAX_VALUES,
        [[]] * (MAX_CONTAINERS - 1),
        {"text": "a,b:[{" * MAX_VALUES},
        {"text": '\\"' * MAX_VALUES, "more": "\\" * 9, "after": '["' * MAX_CONTAINERS},
    ],
    ids=lambda value: str(value)[:20],
)
def test_text_may_hold_any_signs(value: Any) -> None:
    check_size(orjson.dumps(value))


def test_large_bodies_are_refused_at_the_door(http: httpx.Client, worker: ScriptedWorker) -> None:
    for part in (b"[],", b"1,", b'"x",'):
        body = b'{"model":"tiny","messages":[' + part * (9_000_000 // len(part)) + b"1]}"
        answer = http.post("/v1/chat/completions", content=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")
    answer = http.post("/v1/chat/completions", json=chat() | {f"x{i}": 1 for i in range(1_001)})
    assert "more than 1000 fields" in answer.json()["error"]["message"]
    assert http.post("/v1/chat/completions", json=chat("a,[{" * 200_000)).status_code == 200


def test_large_bodies_are_read_beside_the_event_loop() -> None:
    seen: list[int] = []

    class Thing(RequestModel):
        text: Annotated[str, AfterValidator(lambda text: seen.append(threading.get_ident()) or text)]

    async def read(size: int) -> None:
        body = orjson.dumps({"text": "a" * size})

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        request = Request({"type": "http", "headers": [], "state": {"caller": Caller()}}, receive)
        assert len((await read_body(request, Thing)).value.text) == size

    # What checks a body is built beside it too, when it is first needed.
    asyncio.run(read(1_000))
    seen.clear()
    asyncio.run(read(1_000))
    asyncio.run(read(1_000_000))
    assert seen[0] == threading.get_ident() != seen[1]


def test_an_error_does_not_repeat_megabytes(http: httpx.Client, worker: ScriptedWorker) -> None:
    for name in ("a" * 1_000, "é" * 900_000):
        answer = http.post("/v1/chat/completions", json=chat(model=name, tool_choice=name))
        assert answer.status_code in (400, 404)
        assert len(answer.content) < 10_000


@pytest.mark.parametrize("path", ["/v1/images/edits", "/v1/audio/transcriptions"])
@pytest.mark.parametrize(
    "body",
    [b"&" * 1_000_000, b"a=b&" * 101, b"a=" + b"%41" * 140_000, b"a=" + b"a" * 400_000],
    ids=["separators", "fields", "escaped", "long"],
)
def test_urlencoded_forms_are_bounded(
    http: httpx.Client, worker: ScriptedWorker, path: str, body: bytes
) -> None:
    answer = http.post(path, content=body, headers=FORM)
    assert answer.status_code == 400
    assert "form can't be read" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "charset",
    [
        "utf-7",
        "punycode",
        "idna",
        "undefined",
        "unicode_escape",
        "raw_unicode_escape",
        "rot13",
        "nothing",
        "",
    ],
)
def test_forms_are_in_utf_8_whatever_they_say(
    http: httpx.Client, worker: ScriptedWorker, charset: str
) -> None:
    for path, file in (("/v1/images/edits", "image"), ("/v1/audio/transcriptions", "file")):
        head = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
        parts = (
            f'--x\r\nContent-Disposition: form-data; name="{file}"; filename="a"\r\n\r\nA\r\n'
            '--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nA\r\n'
            '--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nmüd+2AA-\\ud800xn--a\r\n--x--\r\n'
        )
        answer = http.post(path, content=parts.encode(), headers=head)
        assert answer.status_code == 404
        assert "'müd+2AA-\\ud800xn--a'" in answer.json()["error"]["message"]


@pytest.mark.parametrize("rest", ["", "; boundary=", '; boundary="a\\"b"', "; boundary=" + "x" * 300])
def test_a_form_without_a_usable_boundary_is_refused(
    http: httpx.Client, worker: ScriptedWorker, rest: str
) -> None:
    answer = http.post(
        "/v1/images/edits", content=b"--x\r\n", headers={"content-type": f"multipart/form-data{rest}"}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("digits", [12, 5_000])
def test_numbers_in_a_pattern_may_be_of_any_length(
    http: httpx.Client, worker: ScriptedWorker, digits: int
) -> None:
    """Python does not read those of thousands of digits."""
    for pattern in (
        f"a{{{'9' * digits}}}",
        rf"^(?=[\d.]{{1,{'9' * digits}}}0*$)\d{{0,1}}\.\d{{0,{'9' * digits}}}0*$",
    ):
        schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}}
        form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema, "strict": True}}
        answer = http.post("/v1/chat/completions", json=chat() | {"response_format": form})
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "invalid_json_schema"
