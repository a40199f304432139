"""Settings, restart and shutdown with the processes that `make run` starts: honcho, supervisors and all."""

import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from tests.program import Program, is_gone
from tests.support.ports import free_port
from tests.support.system import REPO, System
from tests.support.waits import wait_for

LONG: dict[str, Any] = {
    "model": "first",
    "messages": [{"role": "user", "content": "Go on and on."}],
    "max_tokens": 1500,
    "ignore_eos": True,
}


def test_a_process_describes_itself_as_an_application_does(system: System) -> None:
    """The process builds pydantic's models when they are first used."""
    assert system.http.get("/openapi.json").json() == json.loads(json.dumps(create_app().openapi()))


def test_the_worker_hears_of_a_setting(system: System) -> None:
    """It does not log what it logged, and then again."""

    def logs_a_load() -> bool:
        before = len(system.log.read_text())
        system.http.post("/v1/models/org/second/load").raise_for_status()
        system.http.post("/v1/models/org/second/unload").raise_for_status()
        return "is loaded" in system.log.read_text()[before:]

    for level, logs in (("ERROR", False), ("INFO", True)):
        changed = system.http.put("/v1/settings/log_level", json={"value": level})
        assert changed.json() == {"key": "log_level", "value": level, "updated": True}
        assert system.http.get("/v1/settings").json()["log_level"] == level
        system.wait_until(lambda logs=logs: logs_a_load() is logs, "it does not obey")


@pytest.fixture
def honcho(models: Path) -> Iterator[tuple[Program, httpx.Client]]:
    """`honcho start` with the real Procfile, and a client of its API."""
    data = Path(tempfile.mkdtemp(prefix="mlxq-"))
    port = free_port()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    program = Program(
        [sys.executable, "-m", "honcho", "start", "--no-colour"],
        {
            "MLXQ_DATA_DIR": str(data),
            "PORT": str(port),
            "MODEL_ROOTS": str(models),
            "LLM_MODEL": str(models / "first"),
            "AUTO_DOWNLOAD": "0",
            "PATH": path,
            "PYTHONUNBUFFERED": "1",
        },
        cwd=str(REPO),
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        yield program, http
    program.kill_tree()
    shutil.rmtree(data)


def wait_until_up(program: Program) -> None:
    """Both have said that they are there, in any order."""
    wanted = {"listening on", "ready: llm"}
    while wanted:
        line = program.line("")
        wanted -= {each for each in wanted if each in line}


def servers(program: Program) -> set[int]:
    """honcho, the supervisor and what that has started.

    What the servers start comes and goes, such as the program that keeps the machine awake.
    """
    found = level = program.tree()[:1]
    for _ in ("honcho's own", "supervisor", "servers"):
        level = [child for process in level for child in process.children()]
        found = found + level
    return {process.pid for process in found}


@pytest.mark.slow
def test_restart_and_shutdown_under_honcho(honcho: tuple[Program, httpx.Client]) -> None:
    """Settings are taken, a job that ran goes on, nothing counts as a crash; then all of it ends."""
    program, http = honcho
    wait_until_up(program)
    before = servers(program)
    http.put("/v1/settings/max_concurrent_requests", json={"value": 7}).raise_for_status()
    port = free_port()
    http.put("/v1/settings/server_port", json={"value": port}).raise_for_status()
    job = http.post("/v1/chat/completions", json=LONG, headers={"prefer": "respond-async"}).json()["id"]

    answer = http.post("/v1/system/restart")
    assert (answer.status_code, answer.json()) == (
        200,
        {"message": "Server restarting with updated settings"},
    )
    wait_until_up(program)
    assert servers(program) == before, "under the same supervisors"
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as moved:
        settings = moved.get("/v1/settings").json()
        assert (settings["max_concurrent_requests"], settings["server_port"]) == (7, port)
        done = moved.get(f"/v1/jobs/{job}", params={"wait": 50}).json()
        assert done["status"] == "completed"
        assert done["result"]["usage"]["completion_tokens"] == 1500

        answers: list[httpx.Response] = []
        running = threading.Thread(
            target=lambda: answers.append(moved.post("/v1/chat/completions", json=LONG))
        )
        running.start()
        with httpx.Client(base_url=moved.base_url) as other:
            wait_for(lambda: other.get("/v1/queue/stats").json()["queues"]["llm"]["running"])
            answer = other.post("/v1/system/shutdown")
        assert (answer.status_code, answer.json()) == (200, {"message": "Server shutting down"})
        tree = program.tree()
        assert program.wait() == 0
        running.join(60)
    assert answers[0].status_code in (200, 503), "it was told, one way or the other"
    assert all(is_gone(process.pid) for process in tree)
