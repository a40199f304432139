"""Coding agents do a whole turn against mlxq: prompt, tool call, file written, result, answer.

They also do it when things go wrong. The agents are the real ones, from their registries; the model is scripted.
"""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.agents.actor import DONE, FILE, TEXT
from tests.agents.agents import AGENTS, Place
from tests.agents.conftest import MakeSystem
from tests.support.checkpoints import random_qwen3
from tests.support.system import System

At = Callable[[System], Place]

#: Those of which it is also told what they do when things go wrong.
PATIENT = ("claude", "codex")


def check(agent: subprocess.Popen[str], place: Place, *, name: str = "") -> str:
    """It ends well, and the file is there. Returns what it said."""
    said, _ = agent.communicate(timeout=200)
    assert agent.returncode == 0, said
    assert (place.work / FILE).read_text().strip() == TEXT, said
    if name != "aider":
        assert DONE in said
    return said


def block(system: System) -> str:
    """A chat of somebody else that lasts; its job's id."""
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 100_000, "ignore_eos": True}
    answer = system.http.post(
        "/v1/chat/completions", json={"model": "default", **body}, headers={"prefer": "respond-async"}
    )
    job_id: str = answer.raise_for_status().json()["id"]
    return job_id


def jobs(system: System) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = system.http.get("/v1/jobs").raise_for_status().json()["data"]
    return found


@pytest.mark.parametrize("name", AGENTS)
def test_a_whole_turn(name: str, make_system: MakeSystem, place: At) -> None:
    system = make_system()
    here = place(system)
    check(AGENTS[name].start(here), here, name=name)
    assert {job["status"] for job in jobs(system)} == {"completed"}


@pytest.mark.parametrize("name", PATIENT)
def test_a_turn_waits_behind_others(name: str, make_system: MakeSystem, place: At) -> None:
    system = make_system(BATCH_SIZE=1)
    blocker = block(system)
    here = place(system)
    agent = AGENTS[name].start(here)
    system.wait_until(lambda: any(job["status"] == "queued" for job in jobs(system)), "it does not wait")
    system.http.post(f"/v1/jobs/{blocker}/cancel").raise_for_status()
    check(agent, here)


@pytest.mark.parametrize("name", PATIENT)
def test_a_turn_loads_its_model(name: str, make_system: MakeSystem, place: At, tmp_path: Any) -> None:
    random_qwen3(tmp_path / "models" / "other", seed=1)
    system = make_system("other")
    here = place(system)
    check(AGENTS[name].start(here), here)


@pytest.mark.parametrize("name", PATIENT)
def test_a_turn_survives_a_killed_worker(name: str, make_system: MakeSystem, place: At) -> None:
    system = make_system()
    here = place(system)
    agent = AGENTS[name].start(here)
    system.wait_until(lambda: any(job["status"] == "in_progress" for job in jobs(system)), "it asks nothing")
    system.kill_worker()
    system.start_worker()
    check(agent, here)
    assert any(job["attempts"] > 1 for job in jobs(system))


@pytest.mark.parametrize("name", PATIENT)
def test_a_turn_waits_where_the_queue_is_full(name: str, make_system: MakeSystem, place: At) -> None:
    system = make_system(BATCH_SIZE=1, QUEUE_LIMIT=1)
    blockers = [block(system)]
    system.wait_until(lambda: jobs(system)[0]["status"] == "in_progress", "it does not run")
    blockers.append(block(system))
    here = place(system)
    agent = AGENTS[name].start(here)
    system.wait_until(lambda: " 429 " in system.log.read_text(), "nobody is refused")
    for blocker in reversed(blockers):
        system.http.post(f"/v1/jobs/{blocker}/cancel").raise_for_status()
    check(agent, here)
