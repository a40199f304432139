"""The API's container, as far as it goes without Docker: its steps in a folder and an environment of its own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from config.settings import REPO
from tests.private_redis import PrivateRedis
from tests.program import Program
from tests.support.ports import free_port

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def steps(verb: str) -> list[str]:
    lines = (REPO / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    return [line.removeprefix(verb).strip() for line in lines if line.startswith(verb + " ")]


def test_it_has_the_versions_of_the_lock() -> None:
    locked = set(_PINNED.findall((REPO / "requirements.lock").read_text()))
    ours = set(_PINNED.findall((REPO / "requirements-api.lock").read_text()))
    names = {name for name, _ in locked}
    assert {(name, version) for name, version in ours if name in names} <= locked


@pytest.mark.slow
def test_the_api_starts_from_what_the_container_holds(tmp_path: Path, redis_server: PrivateRedis) -> None:
    kept = {line[1:] for line in (REPO / ".dockerignore").read_text().split() if line.startswith("!")}
    app = tmp_path / "app"
    app.mkdir()
    for step in steps("COPY"):
        source, target = step.split()
        assert source in kept, f".dockerignore keeps {source} out of the image"
        if (REPO / source).is_dir():
            shutil.copytree(REPO / source, app / target)
        else:
            shutil.copy(REPO / source, app / target)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    for step in steps("RUN"):
        pip, *arguments = step.split()
        assert pip == "pip"
        # The API imports a small part of what compiling would take its time for.
        uncompiled = {**os.environ, "PIP_COMPILE": "0"}
        command = [sys.executable, "-m", "pip", "--python", python, "--quiet", *arguments]
        subprocess.run(command, cwd=app, env=uncompiled, check=True)
    # What BLOB_URL needs is loaded only where that is set.
    subprocess.run([python, "-c", "import jobs.blobs.bucket"], cwd=app, check=True)
    (started,) = steps("CMD")
    assert started == '["python", "-m", "api"]'
    port = free_port()
    settings = {
        "PORT": str(port),
        "REDIS_URL": redis_server.url,
        "MLXQ_DATA_DIR": str(tmp_path / "data"),
        "MODEL_ROOTS": str(REPO / "models"),
        "LLM_MODEL": str(REPO / "models" / "tiny-chat"),
        "PYTHONPATH": "",
    }
    program = Program([python, "-m", "api"], settings, cwd=str(app))
    try:
        program.line("listening on")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            health = client.get("/health")
            assert (health.status_code, health.json()["worker"]) == (503, "lost"), "its worker runs elsewhere"
            assert "tiny-chat" in client.get("/v1/models").text
            assert client.post("/v1/chat/completions", json={}).status_code == 400
            schema = {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": {"type": 1}},
                }
            }
            body = {"model": "default", "messages": [{"role": "user", "content": "x"}], **schema}
            assert client.post("/v1/chat/completions", json=body).status_code == 400
    finally:
        program.kill_tree()
