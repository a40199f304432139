"""Files in requests: texts and PDFs are text for the model, in responses and in chats."""

import base64
from typing import Any

import httpx
import pytest

from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.api.responses.requests import PATH, asked, post
from tests.support.api_server import ApiServer
from tests.support.images import Web
from tests.support.pdf import pdf
from tests.support.scripted_worker import ScriptedWorker


def sent(data: bytes, name: str | None = None, *, url: bool = True) -> dict[str, Any]:
    text = base64.b64encode(data).decode()
    part = {
        "type": "input_file",
        "file_data": f"data:application/octet-stream;base64,{text}" if url else text,
    }
    return part if name is None else {**part, "filename": name}


def user(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [*parts, {"type": "input_text", "text": "What is it?"}]}]


def test_a_text_and_a_pdf_are_read(http: httpx.Client, worker: ScriptedWorker) -> None:
    parts = sent("Grüße".encode(), "a.txt"), sent(pdf("One fish.", "Two."), "b.pdf", url=False)
    found = post(http, user(*parts))
    told = "a.txt:\n\nGrüße\n\nb.pdf:\n\nOne fish.\n\nTwo.\n\nWhat is it?"
    assert worker.runs[-1].payload["messages"] == [{"role": "user", "content": told}]
    post(http, "And?", previous_response_id=found["id"])
    assert worker.runs[-1].payload["messages"][0]["content"] == told


def test_a_result_may_be_a_file(http: httpx.Client, worker: ScriptedWorker) -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": [sent(b"x = 1", "a.py")]}
    post(http, [{"role": "user", "content": "go"}, call, output])
    assert worker.runs[-1].payload["messages"][-1] == {"role": "user", "content": "a.py:\n\nx = 1\n\n"}


def test_a_chat_has_files_too(http: httpx.Client, worker: ScriptedWorker) -> None:
    data = base64.b64encode(pdf("One fish.")).decode()
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{data}"}}
    body = chat() | {"messages": [{"role": "user", "content": [file, {"type": "text", "text": "?"}]}]}
    assert http.post("/v1/chat/completions", json=body).status_code == 200
    assert worker.runs[-1].payload["messages"][0]["content"] == "a.pdf:\n\nOne fish.\n\n?"


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (sent(b"\x89PNG\0\0"), "neither a text"),
        (sent(b"%PDF-1.7 broken"), "no PDF that can be read"),
        (sent(pdf("Secret", key="k")), "it is encrypted"),
        (sent(pdf()), "it has no text"),
        ({"type": "input_file", "file_data": "§"}, "not in base64"),
        ({"type": "input_file", "file_url": "http://127.0.0.1:1/a.pdf"}, "can't be used"),
    ],
    ids=["binary", "broken", "encrypted", "empty", "no base64", "own machine"],
)
def test_what_is_no_document_is_refused(http: httpx.Client, part: dict[str, Any], reason: str) -> None:
    answer = http.post(PATH, json=asked(user(part)))
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["param"], error["code"]) == ("input[0].content[0]", "invalid_file")
    assert reason in error["message"]


def stored(http: httpx.Client, data: bytes, name: str) -> str:
    answer = http.post("/v1/files", files={"file": (name, data)}, data={"purpose": "user_data"})
    return str(answer.raise_for_status().json()["id"])


def test_a_stored_file_is_read_in_every_dialect(http: httpx.Client, worker: ScriptedWorker) -> None:
    file_id = stored(http, pdf("One fish.", "Two."), "fish.pdf")
    told = "fish.pdf:\n\nOne fish.\n\nTwo.\n\n"
    found = post(http, user({"type": "input_file", "file_id": file_id}))
    assert worker.runs[-1].payload["messages"][0]["content"] == f"{told}What is it?"
    post(http, "And?", previous_response_id=found["id"])
    assert worker.runs[-1].payload["messages"][0]["content"] == f"{told}What is it?"
    content = [{"type": "file", "file": {"file_id": file_id}}]
    body = {**chat(), "messages": [{"role": "user", "content": content}]}
    assert http.post("/v1/chat/completions", json=body).status_code == 200
    assert worker.runs[-1].payload["messages"][0]["content"] == told
    block = {"type": "document", "source": {"type": "file", "file_id": file_id}}
    body = {"model": "tiny", "max_tokens": 5, "messages": [{"role": "user", "content": [block]}]}
    assert http.post("/v1/messages", json=body).status_code == 200
    assert worker.runs[-1].payload["messages"][0]["content"] == told


def test_a_file_that_is_not_stored_is_missed(http: httpx.Client) -> None:
    for part in ({"type": "input_file", "file_id": "file-1"}, {"type": "input_image", "file_id": "file-1"}):
        answer = http.post(PATH, json=asked(user(part)))
        assert (answer.status_code, answer.json()["error"]["param"]) == (404, "input[0].content[0]")
    block = {"type": "document", "source": {"type": "file", "file_id": "file-1"}}
    body = {"model": "tiny", "max_tokens": 5, "messages": [{"role": "user", "content": [block]}]}
    answer = http.post("/v1/messages", json=body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")


def test_few_bytes_do_not_name_megabytes(make_settings: MakeSettings) -> None:
    with ApiServer(make_settings(max_body_mb=1)) as server, httpx.Client(base_url=server.url) as http:
        part = {"type": "input_file", "file_id": stored(http, b"x" * 300_000, "a.txt")}
        answer = http.post(PATH, json=asked(user(part, part, part, part)))
    assert (answer.status_code, answer.json()["error"]["param"]) == (413, "input[0].content[3]")


def test_a_message_of_anthropics_has_documents(http: httpx.Client, worker: ScriptedWorker) -> None:
    data = base64.b64encode(pdf("One fish.")).decode()
    source = {"type": "base64", "media_type": "application/pdf", "data": data}
    block = {"type": "document", "title": "Fish", "source": source}
    messages = [{"role": "user", "content": [block, {"type": "text", "text": "?"}]}]
    answer = http.post("/v1/messages", json={"model": "tiny", "max_tokens": 5, "messages": messages})
    assert answer.status_code == 200, answer.text
    assert "One fish." in worker.runs[-1].payload["messages"][0]["content"]


def test_a_document_of_anthropics_may_have_an_address(
    make_settings: MakeSettings, worker: ScriptedWorker
) -> None:
    with (
        Web() as web,
        ApiServer(make_settings(allow_private_urls=True)) as server,
        httpx.Client(base_url=server.url, timeout=30) as http,
    ):
        source = {"type": "url", "url": web.serve("/a.pdf", pdf("One fish."))}
        messages = [{"role": "user", "content": [{"type": "document", "source": source}]}]
        answer = http.post("/v1/messages", json={"model": "tiny", "max_tokens": 5, "messages": messages})
    assert answer.status_code == 200, answer.text
    assert worker.runs[-1].payload["messages"][0]["content"] == "One fish.\n\n"
