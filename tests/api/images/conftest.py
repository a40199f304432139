"""An API with models that paint, and a worker that plays their part."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import redis

from config.settings import Settings
from jobs.blobs import BlobStore, LocalBlobs
from jobs.kinds import Category
from tests.api.conftest import put_model
from tests.support.api_server import ApiServer
from tests.support.painter import finish, put_painters
from tests.support.scripted_worker import ScriptedWorker


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def painter(redis_url: str, clean_redis: redis.Redis, blobs: BlobStore) -> Iterator[ScriptedWorker]:
    """A worker that makes of every request as many pictures as it wants, each another one."""
    with ScriptedWorker(redis_url, default=lambda run: finish(run, blobs), category=Category.IMAGE) as worker:
        yield worker


@pytest.fixture
def make_api(
    make_settings: Callable[..., Settings], model_root: Path, tmp_path: Path
) -> Iterator[Callable[..., ApiServer]]:
    """An API whose models are `paints`, the default, `klein`, which sees four pictures, and `tiny`, which chats."""
    put_painters(model_root)
    (model_root / "styles").mkdir()
    (model_root / "styles" / "ink.safetensors").write_bytes(b"lora")
    (tmp_path / "secret.safetensors").write_bytes(b"lora")
    running: list[ApiServer] = []

    def make(**settings: Any) -> ApiServer:
        values = {"image_model": "paints", "data_dir": tmp_path, "hub_cache": tmp_path / "hub", **settings}
        running.append(ApiServer(make_settings(**values)))
        return running[-1].__enter__()

    yield make
    for server in running:
        server.__exit__(None, None, None)


@pytest.fixture(scope="module")
def strict_api(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API of the same models for stories in which nothing gets as far as a worker."""
    folder = tmp_path_factory.mktemp("strict")
    put_painters(folder / "models")
    put_model(folder / "models", "tiny")
    values = {"image_model": "paints", "llm_model": "tiny", "model_roots": (folder / "models",)}
    settings = Settings.model_validate(
        {"redis_url": redis_url, "data_dir": folder, "hub_cache": folder / "hub", "max_image_mb": 2, **values}
    )
    with ApiServer(settings) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        yield client
        # What was refused has left nothing behind.
        assert not list(folder.glob("blobs/*"))


@pytest.fixture
def http(make_api: Callable[..., ApiServer]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=make_api().url, timeout=30) as client:
        yield client


@pytest.fixture
def sdk(http: httpx.Client) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{http.base_url}/v1", api_key="any", max_retries=0) as client:
        yield client
