"""The second port, which clients of Ollama expect."""

import logging
import socket
import sys
from pathlib import Path

import httpx
import pytest
import redis

from api.process import ollama_sockets
from config.settings import Settings
from tests.program import Program
from tests.support.ports import free_port
from tests.support.system import REPO


def test_one_server_listens_on_both(redis_url: str, clean_redis: redis.Redis, tmp_path: Path) -> None:
    port = free_port()
    environment = {
        "PORT": "0",
        "OLLAMA_PORT": str(port),
        "REDIS_URL": redis_url,
        "MLXQ_DATA_DIR": str(tmp_path),
    }
    program = Program([sys.executable, "-m", "api"], environment, cwd=str(REPO))
    try:
        first = program.line("listening on").rpartition(" ")[2]
        second = program.line("listening on").rpartition(" ")[2]
        assert second == f"http://127.0.0.1:{port}"
        for url in (first, second):
            answer = httpx.get(f"{url}/api/version", timeout=60)
            assert answer.status_code == 200
            assert answer.json()["version"]
        assert httpx.get(first).json()["name"] == "mlxq"
        assert httpx.get(second).text == "Ollama is running"
        assert httpx.get(second, headers={"accept": "text/html"}).text.startswith("<!doctype html>")
        assert program.stop() == 0
    finally:
        program.kill_tree()


def test_a_port_that_ollama_has_is_left_to_it(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ollama, caplog.at_level(logging.ERROR):
        port = ollama.getsockname()[1]
        assert ollama_sockets(Settings(ollama_port=port)) == []
    assert f"OLLAMA_PORT={port}" in caplog.text
    assert ollama_sockets(Settings(port=port, ollama_port=port)) == []
    assert ollama_sockets(Settings()) == []
