"""What SDKs for Node see of the whole product: the stories are told in `node/*.test.mjs`."""

import subprocess

from tests.clients.conftest import KEY
from tests.support.node import run_node
from tests.support.system import System


def play(story: str, system: System, key: str) -> None:
    assert system.worker is not None
    try:
        told = run_node(
            "--test",
            "--test-reporter=spec",
            f"{story}.test.mjs",
            MLXQ_URL=system.url,
            MLXQ_KEY=key,
            MLXQ_WORKER_PID=str(system.worker.pid),
        )
    except subprocess.TimeoutExpired as hung:
        jobs = system.http.get("/v1/jobs").text
        raise AssertionError(f"{hung.output!r}\n{jobs}\n{system.log.read_text()[-4000:]}") from hung
    assert "pass 0" not in told


def test_chat(system: System) -> None:
    play("chat", system, "any")


def test_tools_structures_completions_and_embeddings(tiny: System) -> None:
    play("tools", tiny, "any")


def test_responses(tiny: System) -> None:
    play("responses", tiny, "any")


def test_anthropics_sdk(tiny: System) -> None:
    play("anthropic", tiny, "any")


def test_ollamas_package(tiny: System) -> None:
    play("ollama", tiny, "any")


def test_aborts(system: System) -> None:
    play("aborts", system, "any")


def test_errors(strict: System) -> None:
    play("errors", strict, KEY)


def test_without_redis(strict: System) -> None:
    strict.redis.kill()
    try:
        play("without_redis", strict, KEY)
    finally:
        strict.redis.start()
        strict.wait_healthy()
