"""One system with models of real weights, which `make .venv/real.stamp` brings."""

import os
from collections.abc import Iterator

import openai
import pytest

from benchmarks import preload
from tests.support.system import REPO, System

FOLDER = REPO / ".venv" / "real" / "models"


@pytest.fixture(scope="session")
def real() -> Iterator[System]:
    if not FOLDER.exists():
        if os.environ.get("CI"):
            pytest.fail("CI runs the tests of real weights: make .venv/real.stamp")
        pytest.skip("no real weights: make .venv/real.stamp")
    # MLX' wheel for Linux computes ten times slower without it.
    blas = preload.environment(preload.find())
    # A CPU that is busy with other things takes long.
    patience = {"CHAT_TIMEOUT": 600, "TRANSCRIPTION_TIMEOUT": 600, "SPEECH_TIMEOUT": 600, "STEP_TIMEOUT": 600}
    system = System(FOLDER, "smollm2-135m-instruct", **patience, **blas).start()
    yield system
    system.stop()


@pytest.fixture
def client(real: System) -> Iterator[openai.OpenAI]:
    with real.openai(timeout=600) as client:
        yield client
