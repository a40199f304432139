"""What real models answer is as `/openapi.json` says, also event by event. `tests/api` does so with all routes."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.audio import speech, write
from tests.support.described import description, faults
from tests.support.system import System

SAY: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
#: Requests that are answered by a stream.
STREAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"model": "tiny-chat", "messages": SAY}),
    "chat with usage": (
        "/v1/chat/completions",
        {
            "model": "tiny-chat",
            "messages": SAY,
            "logprobs": True,
            "top_logprobs": 2,
            "stream_options": {"include_usage": True},
        },
    ),
    "completion": ("/v1/completions", {"model": "tiny-chat", "prompt": "Hello", "logprobs": 2}),
    "images": (
        "/v1/images/generations",
        {"model": "tiny-image", "prompt": "A fox", "size": "32x16", "steps": 2, "partial_images": 1},
    ),
}
#: Requests that are answered in JSON, by the work of a model.
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"model": "tiny-chat", "messages": SAY, "logprobs": True}),
    "completion": ("/v1/completions", {"model": "tiny-chat", "prompt": "Hello", "logprobs": 2, "echo": True}),
    "embeddings": ("/v1/embeddings", {"model": "all-MiniLM-L6-v2", "input": ["one", "two"]}),
    "vectors as text": (
        "/v1/embeddings",
        {"model": "all-MiniLM-L6-v2", "input": "one", "encoding_format": "base64"},
    ),
    "images": (
        "/v1/images/generations",
        {
            "model": "tiny-image",
            "prompt": "A fox",
            "size": "32x16",
            "steps": 1,
            "response_format": "b64_json",
        },
    ),
    "a text": ("/v1/models/tiny-chat/generate", {"prompt": "Hello", "max_tokens": 3}),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream(system: System, name: str) -> None:
    path, body = STREAMS[name]
    answer = system.http.post(path, json={**body, "stream": True})
    assert answer.status_code == 200, answer.text
    assert not list(faults("POST", path, 200, answer.headers["content-type"], answer.content))


@pytest.mark.parametrize("name", BODIES)
def test_an_answer_and_its_job(system: System, name: str) -> None:
    """The client's hook holds each answer in JSON against the description: now, when it is accepted, and later."""
    path, body = BODIES[name]
    if path.endswith("/generate"):
        assert system.http.post("/v1/models/tiny-chat/load").status_code == 200
    assert system.http.post(path, json=body).status_code == 200
    accepted = system.http.post(path, json={**body, "background": True})
    assert accepted.status_code == 202
    job = accepted.json()["urls"]["get"]
    assert system.http.get(job, params={"wait": 60}).json()["status"] == "completed"
    events = system.http.get(f"{job}/events")
    assert not list(
        faults("GET", f"/v1/jobs/{accepted.json()['id']}/events", 200, _type(events), events.content)
    )


@pytest.mark.parametrize("form", ["json", "verbose_json", "text", "srt", "vtt"])
@pytest.mark.parametrize("background", [False, True])
def test_a_transcription(system: System, tmp_path: Path, form: str, background: bool) -> None:
    data = {"model": "tiny-whisper", "response_format": form, "background": str(background).lower()}
    if form != "verbose_json":
        # To find the language takes as long as to write down what was said.
        data["language"] = "en"
    files = {"file": write(tmp_path / "said.wav", speech(2, seed=1)).read_bytes()}
    path = "/v1/audio/transcriptions"
    answer = system.http.post(path, data=data, files=files)
    assert answer.status_code == (202 if background else 200), answer.text
    assert not list(faults("POST", path, answer.status_code, _type(answer), answer.content))
    if background:
        job = system.http.get(answer.json()["urls"]["get"], params={"wait": 60}).json()
        assert job["status"] == "completed"


def _type(answer: Any) -> str:
    content_type: str = answer.headers["content-type"]
    return content_type


def test_what_needs_no_parameter(system: System) -> None:
    paths = {
        path: found["get"]
        for path, found in description()["paths"].items()
        if "get" in found and "{" not in path
    }
    assert len(paths) > 15
    # It never ends.
    del paths["/v1/events"]
    # There is none here.
    del paths["/v1/join"]
    for path, operation in paths.items():
        # What is not there at all is described by its error only.
        absent = "200" not in operation["responses"]
        assert system.http.get(path).status_code == (501 if absent else 200), path
