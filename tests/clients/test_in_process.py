"""mlxq without a server, as docs/testing.md shows it: the app is the SDK's http_client (R96)."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from starlette.testclient import TestClient

from api.app import create_app
from config.settings import Settings
from mlxq.testing import in_process_worker
from tests.clients.requests import body
from tests.private_redis import PrivateRedis


@pytest.fixture(scope="module")
def settings(models: Path) -> Iterator[Settings]:
    redis = PrivateRedis()
    redis.start()
    settings = Settings(redis_url=redis.url, model_roots=(models,), llm_model="first", auto_download=False)
    with in_process_worker(settings):
        yield settings
    redis.remove()


def use(client: TestClient) -> None:
    """With no base_url, the SDK asks for api.openai.com: in a process that is nobody else."""
    sdk = openai.OpenAI(http_client=client, api_key="any", max_retries=0)
    whole = sdk.chat.completions.create(**body())
    chunks = list(sdk.chat.completions.create(**body(), stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == whole.choices[0].message.content
    assert sdk.models.retrieve("org/second").id == "org/second"
    with pytest.raises(openai.BadRequestError):
        sdk.chat.completions.create(**body(temperature=5))


def test_a_client_that_is_entered(settings: Settings) -> None:
    with TestClient(create_app(settings)) as client:
        use(client)


def test_a_client_that_is_not(settings: Settings) -> None:
    client = TestClient(create_app(settings))
    use(client)
    client.close()
