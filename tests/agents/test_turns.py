"""Coding agents do a whole turn against mlxq: prompt, tool call, file written, result, answer.

They also do it when things go wrong. The agents are the real ones, from their registries; the model is scripted.
"""

import subprocess
import time

import pytest

from tests.agents.actor import DONE, FILE, TEXT
from tests.agents.agents import AGENTS, Agent, Place
from tests.agents.held_system import HeldSystem

#: Seconds of silence that an agent bears in the story of a late answer, and the time that it then waits.
IDLE, LATE = 3.0, 5.0


def check(running: subprocess.Popen[str], agent: Agent, place: Place) -> str:
    """It ends well, and the file is there. Returns what it said."""
    try:
        said, _ = running.communicate(timeout=200)
    except subprocess.TimeoutExpired:
        running.kill()
        pytest.fail(f"it does not end:\n{running.communicate()[0]}")
    assert running.returncode == 0, said
    assert (place.work / FILE).read_text().strip() == TEXT, said
    if agent.name != "aider":
        assert DONE in said
    return said


@pytest.fixture(params=AGENTS)
def agent(request: pytest.FixtureRequest) -> Agent:
    return AGENTS[request.param]


def test_a_whole_turn(agent: Agent, system: HeldSystem, place: Place) -> None:
    check(agent.start(place), agent, place)
    system.has_sent(1 if agent.name == "aider" else 2)


def test_a_turn_of_a_launched_agent(agent: Agent, system: HeldSystem, place: Place) -> None:
    """Its own configuration has nothing of the server, before and after."""
    said = check(agent.launch(place), agent, place)
    assert "Model metadata" not in said, "Codex is told the length of the context, and which models there are"
    files = [file for folder in (place.home, place.work) for file in folder.rglob("*.*") if file.is_file()]
    configured = [
        file
        for file in files
        if file.suffix in (".json", ".toml", ".yml")
        and ".mlxq" not in file.parts
        and file.stat().st_size < 10**6
    ]
    assert [file for file in configured if system.url in file.read_text()] == []


def test_a_turn_waits_behind_others(agent: Agent, system: HeldSystem, place: Place) -> None:
    system.hold()
    system.chat()
    running = agent.start(place)
    system.wait_for("queued")
    system.let_go()
    check(running, agent, place)


def test_a_turn_loads_its_model(agent: Agent, system: HeldSystem, place: Place) -> None:
    system.http.post("/v1/models/actor/unload").raise_for_status()
    assert system.status("actor") != "loaded"
    check(agent.start(place), agent, place)
    assert system.status("actor") == "loaded"


def test_a_turn_survives_a_killed_worker(agent: Agent, system: HeldSystem, place: Place) -> None:
    """It dies when the first words have been sent."""
    system.hold(steps=2)
    running = agent.start(place)
    system.wait_for("in_progress")
    job = system.jobs("in_progress")[0]["id"]
    system.kill_worker()
    system.let_go()
    system.start_worker()
    check(running, agent, place)
    assert system.job(job)["attempts"] == 2
    assert system.has_sent(job=job).count(("200", job)) == 1, "the agent has noticed nothing"


def test_a_turn_bears_a_late_answer(agent: Agent, system: HeldSystem, place: Place) -> None:
    """The first token comes long after the agent would give up a silent stream."""
    system.hold()
    running = agent.start(place, idle=IDLE)
    system.wait_for("in_progress")
    late = time.monotonic() + LATE
    system.wait_until(lambda: time.monotonic() > late, "time stands still")
    system.let_go()
    check(running, agent, place)
    sent = system.sent()
    assert len(sent) == len(set(sent)), "no request came twice"


def test_a_turn_waits_where_the_queue_is_full(agent: Agent, system: HeldSystem, place: Place) -> None:
    system.hold()
    system.chat()
    system.wait_for("in_progress")
    system.chat()
    system.chat()
    running = agent.start(place)
    system.wait_until(lambda: "429" in dict(system.sent()), "nobody is refused")
    system.let_go()
    check(running, agent, place)
