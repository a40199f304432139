"""The API as clients meet it: a real server on a free port, a real Redis, a scripted worker."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import openai
import pytest
import redis

from config.settings import Settings
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import ScriptedWorker

MakeSettings = Callable[..., Settings]


def put_model(root: Path, name: str) -> None:
    folder = root / name
    folder.mkdir(parents=True)
    config = {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "max_position_embeddings": 4096}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(bytes(1000))


@pytest.fixture
def model_root(tmp_path: Path) -> Path:
    put_model(tmp_path / "models", "tiny")
    put_model(tmp_path / "models", "org/other")
    return tmp_path / "models"


@pytest.fixture
def make_settings(redis_url: str, clean_redis: redis.Redis, model_root: Path) -> MakeSettings:
    def make(**overrides: object) -> Settings:
        values = {
            "redis_url": redis_url,
            "model_roots": (model_root,),
            "llm_model": "tiny",
            # Else the one that comes along, outside of these roots.
            "image_model": "org/paints",
            **overrides,
        }
        return Settings.model_validate(values)

    return make


@pytest.fixture
def api(make_settings: MakeSettings) -> Iterator[ApiServer]:
    with ApiServer(make_settings()) as server:
        yield server


@pytest.fixture
def worker(redis_url: str, clean_redis: redis.Redis) -> Iterator[ScriptedWorker]:
    with ScriptedWorker(redis_url) as worker:
        yield worker


@pytest.fixture
def http(api: ApiServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api.url, timeout=30) as client:
        yield client


@pytest.fixture
def sdk(api: ApiServer) -> Iterator[openai.OpenAI]:
    """OpenAI's own client, which does not try again unless a test wants it to."""
    with openai.OpenAI(base_url=f"{api.url}/v1", api_key="any", max_retries=0, timeout=30) as client:
        yield client
