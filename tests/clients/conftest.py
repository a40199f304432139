"""Two running systems: one with its usual settings, and one that is strict, so that clients meet its limits."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from benchmarks.model import endless
from tests.support.checkpoints import random_qwen3
from tests.support.minilm import NAME as MINILM
from tests.support.minilm import put_minilm
from tests.support.rerankers import random_cross_encoder
from tests.support.system import REPO, System

KEY = "secret"
#: Seconds: two are too few for a short chat while a machine is busy with something else.
MAX_RUN_TIME = 3

#: They run in an environment of their own, started by test_suites.py.
collect_ignore = ["suites"]


@pytest.fixture(scope="package")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`first`, whose context is as good as endless, `endless`, which cannot write its end token, `org/second`, an
    embedding model, and one that ranks."""
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "first", seed=1, context=100_000)
    endless(root / "first", root / "endless")
    random_qwen3(root / "org" / "second", seed=2)
    put_minilm(root)
    random_cross_encoder(root / "ranker")
    return root


@pytest.fixture(scope="package")
def system(models: Path) -> Iterator[System]:
    running = System(models, "first", LINGER_TIME=0)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(scope="package")
def strict(models: Path) -> Iterator[System]:
    """One chat runs, one may wait, none longer than MAX_RUN_TIME, and only for those who know the key."""
    running = System(models, "first", API_KEYS=KEY, MAX_RUN_TIME=MAX_RUN_TIME, QUEUE_LIMIT=1, BATCH_SIZE=1)
    running.http.headers["authorization"] = f"Bearer {KEY}"
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(scope="package")
def tiny(models: Path) -> Iterator[System]:
    """What a user has after `make run`, the chat model that ships with the repo, and an embedding model."""
    roots = f"{REPO / 'models'}:{models}"
    running = System(REPO / "models", "tiny-chat", MODEL_ROOTS=roots, EMBEDDING_MODEL=models / MINILM)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def sdk(system: System) -> Iterator[openai.OpenAI]:
    with system.openai() as client:
        yield client


@pytest.fixture
def strict_sdk(strict: System) -> Iterator[openai.OpenAI]:
    with strict.openai(api_key=KEY) as client:
        yield client
