"""`/openapi.json` describes every body that is sent. Its truth is tested by all tests of this folder: see
`tests/support/described.py`."""

from typing import Any

import httpx
import pytest

from tests.support.described import description, faults

_METHODS = ("get", "post", "put", "delete")


#: What is answered to a notification: that it was accepted, and nothing else.
NOTIFIED = (("/mcp", "202"),)


def operations() -> list[tuple[str, str]]:
    return [
        (method, path)
        for path, found in description()["paths"].items()
        for method in found
        if method in _METHODS
    ]


@pytest.mark.parametrize(("method", "path"), operations())
def test_every_operation_describes_what_it_sends(method: str, path: str) -> None:
    operation = description()["paths"][path][method]
    answers = {status: each for status, each in operation["responses"].items() if status != "default"}
    assert any(_is_described(answer) for answer in answers.values())
    for status, answer in answers.items():
        assert status in ("204", "304") or (path, status) in NOTIFIED or _is_described(answer), status
    assert operation["responses"]["default"]["content"]["application/json"]["schema"]


def _is_described(answer: dict[str, Any]) -> bool:
    content = answer.get("content", {})
    return bool(content) and all(media.get("schema") for media in content.values())


def test_no_reference_leads_nowhere(http: httpx.Client) -> None:
    told = http.get("/openapi.json").json()
    schemas = told["components"]["schemas"]

    def check(value: Any) -> None:
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str):
                assert reference.removeprefix("#/components/schemas/") in schemas
            for each in value.values():
                check(each)
        elif isinstance(value, list):
            for each in value:
                check(each)

    check(told)


def test_an_answer_that_is_not_described_is_found() -> None:
    """The check that all other tests rely on."""
    server = b'{"name": "mlxq", "version": "1", "status": "running"}'
    assert not list(faults("GET", "/", 200, "application/json", server))
    assert list(faults("GET", "/", 200, "application/json", server.replace(b"running", b"gone")))
    assert list(faults("GET", "/", 200, "application/json", server.replace(b'"name"', b'"nom"')))
    assert list(faults("GET", "/health", 200, "text/html", b"<p>"))
    assert list(faults("GET", "/v1/models/a/b/health", 200, "application/json", server))
    frame = b'data: {"id": "chatcmpl-1"}\n\n'
    assert list(faults("POST", "/v1/chat/completions", 200, "text/event-stream; charset=utf-8", frame))


def test_no_two_bodies_have_the_same_name() -> None:
    """Two would be told apart by the names of their modules, which are nobody's business."""
    assert [name for name in description()["components"]["schemas"] if "__" in name] == []
