"""How far jobs of every kind are, and when they will have ended."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.audio import speech, write
from tests.support.stories import outcome, story
from tests.support.system import System

Accepted = dict[str, Any]


def send(system: System, path: str, **body: Any) -> Accepted:
    accepted = system.http.post(path, json={"model": "default", "background": True, **body})
    assert accepted.status_code == 202, accepted.text
    return dict(accepted.json())


def chat(system: System, text: str, tokens: int) -> Accepted:
    messages = [{"role": "user", "content": text}]
    return send(
        system, "/v1/chat/completions", messages=messages, max_tokens=tokens, temperature=0, ignore_eos=True
    )


def transcribe(system: System, recording: Path) -> Accepted:
    with recording.open("rb") as file:
        accepted = system.http.post(
            "/v1/audio/transcriptions",
            data={"model": "default"},
            files={"file": file},
            headers={"Prefer": "respond-async"},
        )
    assert accepted.status_code == 202, accepted.text
    return dict(accepted.json())


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("audio") / "long.wav", speech(35, seed=1))


def jobs_of_every_kind(system: System, recording: Path) -> dict[str, Accepted]:
    """By the unit in which they count; images count steps."""
    return {
        "tokens": chat(system, "write", 1000),
        "steps": send(system, "/v1/images/generations", prompt="A fox", size="32x32", steps=4),
        "milliseconds": transcribe(system, recording),
    }


def test_each_kind_says_how_far_it_is_and_when_it_ends_also_after_a_restart(
    system: System, recording: Path
) -> None:
    for unit, job in jobs_of_every_kind(system, recording).items():
        ended = outcome(system, job["id"])
        assert ended["status"] == "completed", ended
        told = [event.data for event in story(system, job["id"]) if event.type == "progress"]
        progress = [each for each in told if each.get("unit", "steps") == unit]
        assert progress, f"nothing is told of {unit}"
        assert all(before["done"] < after["done"] for before, after in pairwise(progress)), progress
        assert all(0 < each["done"] <= each["total"] for each in progress), progress
    # What was learned is kept.
    assert system.stop_worker() == 0
    system.start_worker()
    system.wait_healthy()
    # What a job is told may be half a second old, of a moment without a worker: this one runs on.
    first = chat(system, "write", 50_000)
    system.wait_until(lambda: system.job(first["id"])["eta"] is not None, "nothing is expected")
    jobs = jobs_of_every_kind(system, recording)
    for job in (first, *jobs.values()):
        system.http.post(f"/v1/jobs/{job['id']}/cancel")
    assert [unit for unit, job in jobs.items() if job["eta"] is None] == []
