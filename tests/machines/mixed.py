"""Requests of many kinds, each sent to one API process and looked at through another one.

It knows dialects and answers. It does not know processes: it gets clients.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.support.server_events import ServerEvents, server_events

MODEL = "first"
#: What SDKs send with the second attempt.
RETRY = {"x-stainless-retry-count": "1"}
#: A request, by its number: sent to the first, looked at through the second.
Story = Callable[[httpx.Client, httpx.Client, int], None]


def chat_body(number: int, **fields: Any) -> dict[str, Any]:
    """A chat like no other."""
    text = f"request {number}"
    return {
        "model": MODEL,
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        "max_tokens": 4,
        "ignore_eos": True,
        **fields,
    }


def _ended(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """The job, by a long poll."""
    for _ in range(3):
        job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}", params={"wait": 30}).raise_for_status().json()
        if job["status"] not in ("queued", "in_progress"):
            return job
    raise AssertionError(f"{job_id} does not end")


def _said(job: dict[str, Any]) -> str:
    assert job["status"] == "completed", job
    text: str = job["result"]["choices"][0]["message"]["content"]
    return text


def chat(here: httpx.Client, there: httpx.Client, number: int) -> None:
    answer = here.post("/v1/chat/completions", json=chat_body(number)).raise_for_status().json()
    assert _said(_ended(there, answer["id"])) == answer["choices"][0]["message"]["content"]


def streamed_chat(here: httpx.Client, there: httpx.Client, number: int) -> None:
    with here.stream("POST", "/v1/chat/completions", json=chat_body(number, stream=True)) as answer:
        job_id = answer.headers["x-request-id"]
        heard = _heard(answer)
    assert _said(_ended(there, job_id)) == heard


def completion(here: httpx.Client, there: httpx.Client, number: int) -> None:
    body = {"model": MODEL, "prompt": f"request {number}", "max_tokens": 4, "temperature": 0}
    answer = here.post("/v1/completions", json=body).raise_for_status()
    job = _ended(there, answer.headers["x-request-id"])
    assert job["result"]["choices"] == answer.json()["choices"]


def response(here: httpx.Client, there: httpx.Client, number: int) -> None:
    """A stored response that goes on elsewhere."""
    body = {"model": MODEL, "input": f"request {number}", "max_output_tokens": 16}
    first = here.post("/v1/responses", json=body).raise_for_status().json()
    again = there.get(f"/v1/responses/{first['id']}").raise_for_status().json()
    assert again["output"] == first["output"]
    more = {**body, "input": "and more", "previous_response_id": first["id"]}
    second = there.post("/v1/responses", json=more).raise_for_status().json()
    assert second["usage"]["input_tokens"] > first["usage"]["input_tokens"]


def message(here: httpx.Client, there: httpx.Client, number: int) -> None:
    """Anthropic's dialect, and a question for tokens."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": f"request {number}"}]}
    counted = there.post("/v1/messages/count_tokens", json=body).raise_for_status().json()["input_tokens"]
    answer = here.post("/v1/messages", json={**body, "max_tokens": 4}).raise_for_status()
    usage = answer.json()["usage"]
    read = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    assert sum(usage.get(kind) or 0 for kind in read) == counted
    assert _ended(there, answer.headers["x-request-id"])["status"] == "completed"


def ollama(here: httpx.Client, there: httpx.Client, number: int) -> None:
    messages = [{"role": "user", "content": f"request {number}"}]
    body = {"model": MODEL, "messages": messages, "stream": False, "options": {"num_predict": 4}}
    answer = here.post("/api/chat", json=body).raise_for_status()
    assert answer.json()["done"]
    assert _ended(there, answer.headers["x-request-id"])["status"] == "completed"


def resumed(here: httpx.Client, there: httpx.Client, number: int) -> None:
    """The events of a job: some here, the rest there, without a gap and nothing twice."""
    body = chat_body(number, stream=True, background=True, max_tokens=24)
    job_id = here.post("/v1/chat/completions", json=body).raise_for_status().json()["id"]
    path = f"/v1/jobs/{job_id}/events"
    heard, last = "", ""
    with server_events(here, path) as events:
        for event in events:
            last = event.id
            heard += event.data.get("text", "")
            if event.name == "delta":
                break
    with server_events(there, path, last_event_id=last) as events:
        heard += _texts(events)
    assert heard == _said(_ended(there, job_id))


def sent_again(here: httpx.Client, there: httpx.Client, number: int) -> None:
    """An SDK that lost its connection in the middle, and asks again elsewhere: one job, and the whole answer."""
    body = chat_body(number, stream=True, max_tokens=48)
    with here.stream("POST", "/v1/chat/completions", json=body) as answer:
        job_id = answer.headers["x-request-id"]
        next(line for line in answer.iter_lines() if "content" in line)
    with there.stream("POST", "/v1/chat/completions", json=body, headers=RETRY) as answer:
        assert answer.headers["x-request-id"] == job_id
        heard = _heard(answer)
    job = _ended(here, job_id)
    assert (_said(job), job["attempts"]) == (heard, 1)


def once(here: httpx.Client, there: httpx.Client, number: int) -> None:
    """The same key at both: one job."""
    headers = {"Idempotency-Key": f"key-{number}"}
    ids = {
        each.post("/v1/chat/completions", json=chat_body(number), headers=headers)
        .raise_for_status()
        .json()["id"]
        for each in (here, there)
    }
    assert len(ids) == 1


def cancelled(here: httpx.Client, there: httpx.Client, number: int) -> None:
    body = chat_body(number, background=True, max_tokens=3000)
    job_id = here.post("/v1/chat/completions", json=body).raise_for_status().json()["id"]
    there.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
    assert _ended(here, job_id)["status"] == "cancelled"


def file(here: httpx.Client, there: httpx.Client, number: int) -> None:
    data = f"{number}\n".encode() * 100
    sent = here.post("/v1/files", data={"purpose": "user_data"}, files={"file": ("a.txt", data)})
    file_id = sent.raise_for_status().json()["id"]
    assert there.get(f"/v1/files/{file_id}/content").raise_for_status().content == data
    there.delete(f"/v1/files/{file_id}").raise_for_status()
    assert here.get(f"/v1/files/{file_id}").status_code == 404


STORIES: Sequence[Story] = (
    chat,
    streamed_chat,
    completion,
    response,
    message,
    ollama,
    resumed,
    sent_again,
    once,
    cancelled,
    file,
)


def run(clients: Sequence[Callable[[], httpx.Client]], stories: int, threads: int = 8) -> Counter[str]:
    """So many stories, in turn and each in both directions; what failed is raised. How many there were of each."""
    own, made = threading.local(), list[httpx.Client]()
    counts: Counter[str] = Counter()

    def pair() -> list[httpx.Client]:
        if not hasattr(own, "clients"):
            own.clients = [make() for make in clients]
            made.extend(own.clients)
        return list(own.clients)

    def tell(number: int) -> None:
        here, there = pair() if number // len(STORIES) % 2 else pair()[::-1]
        story = STORIES[number % len(STORIES)]
        story(here, there, number)
        counts[story.__name__] += 1

    try:
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(tell, range(stories)):
                pass
    finally:
        for client in made:
            client.close()
    return counts


def _texts(events: ServerEvents) -> str:
    return "".join(event.data["text"] for event in events if event.name == "delta")


def _heard(answer: httpx.Response) -> str:
    """What a stream of a chat says."""
    heard = ""
    for line in answer.iter_lines():
        data = line.removeprefix("data: ")
        if data == line or data == "[DONE]":
            continue
        for choice in json.loads(data)["choices"]:
            heard += choice["delta"].get("content") or ""
    assert answer.status_code == 200
    return heard
