"""What a job was asked, and the same asked again."""

import httpx
import pytest

from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import ScriptedWorker

CHAT = "/v1/chat/completions"


def submit(http: httpx.Client, text: str = "Hello", **more: object) -> str:
    return str(http.post(CHAT, json=chat(text, background=True, **more)).raise_for_status().json()["id"])


def ended(http: httpx.Client, job_id: str) -> str:
    return str(http.get(f"/v1/jobs/{job_id}?wait=10").json()["status"])


def test_a_jobs_request_is_shown_while_it_is_kept(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()
    small, large = submit(http, "<b>Hello</b>", temperature=0.5), submit(http, "x" * 9000)
    for job_id in (small, large):
        shown = http.get(f"/v1/jobs/{job_id}/request").json()
        assert (shown["object"], shown["id"], shown["has_files"]) == ("job.request", job_id, False)
    call = http.get(f"/v1/jobs/{small}/request").json()
    assert (call["method"], call["path"]) == ("POST", "/v1/chat/completions")
    assert call["body"] == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "<b>Hello</b>"}],
        "temperature": 0.5,
    }
    worker.resume()
    assert ended(http, small) == ended(http, large) == "completed"
    assert http.get(f"/v1/jobs/{small}/request").status_code == 200
    assert http.get(f"/v1/jobs/{large}/request").status_code == 404
    assert http.get("/v1/jobs/chatcmpl-0/request").status_code == 404
    assert (
        http.get(f"/v1/jobs/{small}/request", headers={"origin": "https://evil.example"}).status_code == 403
    )


def test_the_same_is_asked_again(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.pause()
    first = submit(http, "Tell me", temperature=0.25, priority="high")
    assert http.post(f"/v1/jobs/{first}/retry").status_code == 409
    worker.resume()
    assert ended(http, first) == "completed"
    again = http.post(f"/v1/jobs/{first}/retry")
    assert (again.status_code, again.json()["service_class"]) == (202, "interactive")
    second = again.json()["id"]
    assert second != first
    assert again.headers["x-request-id"] == second
    assert again.headers["location"] == again.json()["urls"]["get"]
    assert ended(http, second) == "completed"
    one, other = (http.get(f"/v1/jobs/{each}").json() for each in (first, second))
    assert one["result"]["choices"] == other["result"]["choices"]
    assert other["result"]["object"] == "chat.completion"
    assert worker.runs[0].payload == worker.runs[1].payload
    large = submit(http, "x" * 9000)
    assert ended(http, large) == "completed"
    assert http.post(f"/v1/jobs/{large}/retry").status_code == 404


def test_a_setting_hides_what_was_asked(make_settings: MakeSettings, worker: ScriptedWorker) -> None:
    with ApiServer(make_settings(show_prompts=False)) as server, httpx.Client(base_url=server.url) as http:
        job_id = submit(http)
        answer = http.get(f"/v1/jobs/{job_id}/request")
        assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission_error")


CALLS: list[tuple[str, dict[str, object]]] = [
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "seed": 3, "stop": ["x"]}),
    ("/v1/completions", {"prompt": ["Once"], "max_tokens": 5}),
]


@pytest.mark.parametrize(("path", "body"), CALLS)
def test_what_is_shown_can_be_sent_again(
    http: httpx.Client, worker: ScriptedWorker, path: str, body: dict[str, object]
) -> None:
    job_id = (
        http.post(path, json={"model": "tiny", **body, "background": True}).raise_for_status().json()["id"]
    )
    call = http.get(f"/v1/jobs/{job_id}/request").json()
    assert call["path"] == path
    assert call["body"].items() >= {"model": "tiny", **body}.items()
    assert http.post(call["path"], json=call["body"]).status_code == 200
    assert worker.runs[0].payload == worker.runs[1].payload


@pytest.mark.parametrize("what", ["request", "retry"])
def test_a_key_sees_only_its_own(make_settings: MakeSettings, worker: ScriptedWorker, what: str) -> None:
    with ApiServer(make_settings(api_keys="key-of-ann,key-of-bob")) as server:
        ann, bob = (
            httpx.Client(base_url=server.url, headers={"x-api-key": f"key-of-{name}"})
            for name in ("ann", "bob")
        )
        with ann, bob:
            job_id = submit(ann)
            assert ended(ann, job_id) == "completed"
            method = "GET" if what == "request" else "POST"
            assert bob.request(method, f"/v1/jobs/{job_id}/{what}").status_code == 404
            assert ann.request(method, f"/v1/jobs/{job_id}/{what}").status_code in (200, 202)
