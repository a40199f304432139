"""Files in requests: texts and PDFs are text for the model, in responses and in chats."""

import base64
from typing import Any

import httpx
import pytest

from tests.api.requests import chat
from tests.api.responses.requests import PATH, asked, post
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


def test_a_stored_file_is_none_of_ours(http: httpx.Client) -> None:
    answer = http.post(PATH, json=asked(user({"type": "input_file", "file_id": "file-1"})))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input[0].content")


def test_a_message_of_anthropics_has_documents(http: httpx.Client, worker: ScriptedWorker) -> None:
    data = base64.b64encode(pdf("One fish.")).decode()
    source = {"type": "base64", "media_type": "application/pdf", "data": data}
    block = {"type": "document", "title": "Fish", "source": source}
    messages = [{"role": "user", "content": [block, {"type": "text", "text": "?"}]}]
    answer = http.post("/v1/messages", json={"model": "tiny", "max_tokens": 5, "messages": messages})
    assert answer.status_code == 200, answer.text
    assert "One fish." in worker.runs[-1].payload["messages"][0]["content"]
