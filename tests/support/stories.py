"""Background jobs and what became of them, through HTTP."""

import json
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.system import System

TERMINAL = ("completed", "failed", "cancelled", "expired")


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    data: dict[str, Any]


def submit(system: System, text: str, **options: Any) -> str:
    """Hand in a greedy chat and leave. Returns the job's id."""
    body = {
        "model": "first",
        "messages": [{"role": "user", "content": text}],
        "temperature": 0,
        "ignore_eos": True,
        **options,
    }
    accepted = system.http.post("/v1/chat/completions", json=body, headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202, accepted.text
    job_id: str = accepted.json()["id"]
    return job_id


def outcome(system: System, job_id: str, timeout: float = 200) -> dict[str, Any]:
    """The job once it has ended."""
    system.wait_until(
        lambda: system.http.get(f"/v1/jobs/{job_id}").json().get("status") in TERMINAL,
        f"{job_id} does not end",
        timeout,
    )
    return system.job(job_id)


def story(system: System, job_id: str, after: str | None = None) -> list[Event]:
    """Every event of an ended job, in order."""
    headers = {"Last-Event-ID": after} if after else {}
    told: list[Event] = []
    fields: dict[str, str] = {}
    with system.http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as response:
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if line == "" and "data" in fields:
                told.append(Event(fields["id"], fields["event"], json.loads(fields["data"])))
                fields = {}
            elif name:
                fields[name] = value
    return told


def refusal(answer: httpx.Response) -> dict[str, Any]:
    """The error of a chat: with its status, or in its stream, which a busy server may have begun before."""
    if answer.status_code != 200:
        assert answer.status_code == 400, answer.text
        error: dict[str, Any] = answer.json()["error"]
        return error
    (told,) = [line[6:] for line in answer.text.splitlines() if line.startswith('data: {"error"')]
    error = json.loads(told)["error"]
    return error


def said(result: dict[str, Any]) -> str:
    text: str = result["result"]["choices"][0]["message"]["content"]
    return text


def check_whole(system: System, job_id: str, expected: str) -> None:
    """Nothing lost and nothing twice: one ending, and deltas (after the last reset) that are the text."""
    ended = outcome(system, job_id)
    assert ended["status"] == "completed", ended
    assert said(ended) == expected
    events = story(system, job_id)
    assert [event.type for event in events if event.type in TERMINAL] == ["completed"]
    resets = [place for place, event in enumerate(events) if event.type == "reset"]
    attempt = events[resets[-1] :] if resets else events
    streamed = "".join(event.data["text"] for event in attempt if event.type == "delta")
    if streamed:
        assert streamed == expected
