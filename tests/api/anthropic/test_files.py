"""`/v1/files` for Anthropic's clients: the files are the same as OpenAI's."""

from datetime import UTC, datetime

import anthropic
import httpx
import pytest
from anthropic.types import FileMetadata

from tests.support.scripted_worker import ScriptedWorker

VERSION = {"anthropic-version": "2023-06-01"}


def test_a_file_is_stored_told_read_and_deleted(claude: anthropic.Anthropic, http: httpx.Client) -> None:
    file = claude.files.upload(file=("notes.txt", b"One fish.", "text/plain"), expires_in_seconds=3600)
    assert (file.filename, file.mime_type, file.size_bytes) == ("notes.txt", "text/plain", 9)
    assert file.expires_at is not None
    assert (file.expires_at - file.created_at).total_seconds() == 3600
    assert abs((datetime.now(UTC) - file.created_at).total_seconds()) < 60
    assert claude.files.retrieve_metadata(file.id) == file
    assert claude.files.download(file.id).read() == b"One fish."
    assert http.get(f"/v1/files/{file.id}").json()["purpose"] == "user_data"
    answer = http.get(f"/v1/files/{file.id}", headers=VERSION)
    FileMetadata.model_validate(answer.json())
    assert answer.headers["request-id"]
    assert claude.files.delete(file.id).type == "file_deleted"
    with pytest.raises(anthropic.NotFoundError) as missing:
        claude.files.retrieve_metadata(file.id)
    assert isinstance(missing.value.body, dict)
    assert missing.value.body["error"]["type"] == "not_found_error"


def test_a_message_reads_a_stored_file(claude: anthropic.Anthropic, worker: ScriptedWorker) -> None:
    file = claude.files.upload(file=("notes.txt", b"One fish."))
    claude.messages.create(
        model="tiny",
        max_tokens=9,
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "document", "source": {"type": "file", "file_id": file.id}},
                    {"type": "text", "text": "What is it?"},
                ],
            }
        ],
    )
    [message] = worker.runs[-1].payload["messages"]
    assert message["content"] == "notes.txt:\n\nOne fish.\n\nWhat is it?"


def test_pages_are_walked_newest_first(claude: anthropic.Anthropic, http: httpx.Client) -> None:
    ids = [claude.files.upload(file=(f"{number}.txt", b"x")).id for number in range(3)]
    assert [file.id for file in claude.files.list(limit=1)] == ids[::-1]
    # As earlier SDKs do it.
    first = http.get("/v1/files", params={"limit": 2}, headers=VERSION).json()
    rest = http.get("/v1/files", params={"limit": 2, "after_id": first["last_id"]}, headers=VERSION).json()
    assert [file["id"] for file in (*first["data"], *rest["data"])] == ids[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    refused = http.get("/v1/files", params={"page": "nothing"}, headers=VERSION)
    assert (refused.status_code, refused.json()["type"]) == (400, "error")


def test_what_is_wrong_is_told_in_anthropics_shape(claude: anthropic.Anthropic, http: httpx.Client) -> None:
    answers = [
        http.post("/v1/files", headers=VERSION, files={"other": ("a", b"x")}),
        http.post("/v1/files", headers=VERSION, json={}),
        http.post(
            "/v1/files", headers=VERSION, files={"file": ("a", b"x")}, data={"expires_in_seconds": "5"}
        ),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    # Also where nothing is.
    with pytest.raises(anthropic.NotFoundError) as missing:
        claude.get("/v1/skills", cast_to=object)
    assert isinstance(missing.value.body, dict)
    assert missing.value.body["type"] == "error"
    assert "detail" in http.get("/v1/skills").json()
