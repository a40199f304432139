"""The process that fetches models: it comes with the first download and goes when it has nothing to do."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.program import Program, is_gone, wait_until_gone
from tests.support.hub import Hub
from tests.support.ports import free_port
from tests.support.system import REPO

BYTES = 400_000
#: Seconds without a download after which its process ends.
QUIET = 0.4


class Launched:
    """All of mlxq under one supervisor, as `mlxq serve` starts it."""

    def __init__(self, models: Path, hub: Hub, **settings: str) -> None:
        self.data = Path(tempfile.mkdtemp(prefix="mlxq-"))
        port = free_port()
        variables = {
            "MLXQ_DATA_DIR": str(self.data),
            "PORT": str(port),
            "MODEL_ROOTS": str(models),
            "LLM_MODEL": str(models / "first"),
            "HF_ENDPOINT": hub.url,
            "HF_HUB_CACHE": str(self.data / "hub"),
            "DOWNLOADS_QUIET": str(QUIET),
            **settings,
        }
        self.program = Program([sys.executable, "-m", "mlxq.launch.serve"], variables, cwd=str(REPO))
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)

    def downloads(self) -> list[psutil.Process]:
        return [each for each in self.program.tree() if "mlxq.downloads" in each.cmdline()]

    def begin(self, model: str) -> str:
        answer = self.http.post("/v1/models/download", json={"repo_id": model, "background": True})
        return str(answer.raise_for_status().json()["id"])

    def ended(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.http.get(f"/v1/jobs/{job_id}?wait=50").json()
        return job

    def close(self) -> None:
        self.http.close()
        self.program.kill_tree()
        shutil.rmtree(self.data)


@pytest.fixture
def launch(models: Path, hub: Hub) -> Iterator[Callable[..., Launched]]:
    started: list[Launched] = []

    def make(**settings: str) -> Launched:
        started.append(Launched(models, hub, **settings))
        return started[-1]

    yield make
    hub.go.set()
    for each in started:
        each.close()


def any_model(hub: Hub, name: str) -> None:
    hub.add(name, {"config.json": b'{"model_type": "qwen3"}', "model.safetensors": os.urandom(BYTES)})


def test_it_comes_with_a_download_and_goes_after_a_quiet_while(
    launch: Callable[..., Launched], hub: Hub
) -> None:
    mlxq = launch()
    mlxq.program.line("listening on")
    assert not mlxq.downloads()
    for name in ("org/demand-1", "org/demand-2"):
        any_model(hub, name)
        hub.faults.hold_at = BYTES // 2
        job_id = mlxq.begin(name)
        mlxq.program.line("ready: download")
        (process,) = mlxq.downloads()
        hub.go.set()
        assert mlxq.ended(job_id)["status"] == "completed"
        mlxq.program.line(f"nothing was fetched for {QUIET} s")
        wait_until_gone(process.pid)
        hub.forget()
    tree = mlxq.program.tree()
    assert mlxq.program.stop(signal.SIGINT) == 0
    assert all(is_gone(process.pid) for process in tree)


def test_it_stays_while_a_download_waits(launch: Callable[..., Launched], hub: Hub) -> None:
    mlxq = launch()
    mlxq.program.line("listening on")
    mlxq.http.post("/v1/queue/pause?queue=download").raise_for_status()
    any_model(hub, "org/demand-waits")
    job_id = mlxq.begin("org/demand-waits")
    mlxq.program.line("ready: download")
    (process,) = mlxq.downloads()
    with pytest.raises(psutil.TimeoutExpired):
        process.wait(4 * QUIET)
    mlxq.http.post("/v1/queue/resume?queue=download").raise_for_status()
    job = mlxq.ended(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)
    wait_until_gone(process.pid)


@pytest.mark.chaos
def test_a_download_that_is_killed_with_everything_goes_on_at_the_next_start(
    launch: Callable[..., Launched], hub: Hub
) -> None:
    """Nothing waits in the queue then: what is left is an execution without a process."""
    mlxq = launch()
    mlxq.program.line("listening on")
    any_model(hub, "org/demand-killed")
    hub.faults.hold_at = BYTES // 2
    job_id = mlxq.begin("org/demand-killed")
    mlxq.program.line("fetching org/demand-killed")
    while hub.sent("model.safetensors") < BYTES // 2:
        pass
    tree = mlxq.program.tree()
    mlxq.program.kill_tree()
    for process in tree:
        wait_until_gone(process.pid)
    hub.go.set()
    again = launch(MLXQ_DATA_DIR=str(mlxq.data), HF_HUB_CACHE=str(mlxq.data / "hub"))
    again.program.line("listening on")
    job = again.ended(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 2)


def test_a_default_model_that_is_not_here_starts_it(launch: Callable[..., Launched], hub: Hub) -> None:
    mlxq = launch(LLM_MODEL="org/chat-5")
    mlxq.program.line("LLM_MODEL=org/chat-5 is not installed: it is fetched")
    mlxq.program.line("org/chat-5 is loaded")
