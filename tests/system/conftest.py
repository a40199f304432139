"""One running system for the stories that leave it whole, and a way to start others that may be broken."""

from collections.abc import Callable, Iterator
from pathlib import Path

import ollama
import openai
import pytest

from tests.support.checkpoints import random_qwen3
from tests.support.hub import Hub
from tests.support.system import System


@pytest.fixture(scope="package")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model root: `first`, whose context is as good as endless, `org/second`, and one with a small context."""
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "first", seed=1, context=100_000)
    random_qwen3(root / "org" / "second", seed=2)
    random_qwen3(root / "short", seed=3, context=64)
    return root


@pytest.fixture(scope="package")
def system(models: Path) -> Iterator[System]:
    running = System(models, "first", LINGER_TIME=0).start()
    yield running
    running.stop()


@pytest.fixture
def ollamas(system: System) -> Iterator[ollama.Client]:
    """Ollama's client."""
    client = ollama.Client(host=system.url)
    yield client
    client._client.close()


@pytest.fixture
def make_system(models: Path) -> Iterator[Callable[..., System]]:
    """A system of the test's own, with its own settings."""
    made: list[System] = []

    def make(**settings: object) -> System:
        made.append(System(models, "first", **settings))
        return made[-1].start()

    yield make
    for running in made:
        running.stop()


@pytest.fixture(scope="package")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hub's cache of `downloading`."""
    return tmp_path_factory.mktemp("cache") / "hub"


@pytest.fixture(scope="package")
def the_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with some models, `org/chat-0` and so on, that can chat."""
    tiny = random_qwen3(tmp_path_factory.mktemp("tiny") / "tiny", seed=5)
    with Hub() as hub:
        for number in range(6):
            hub.add_folder(f"org/chat-{number}", tiny)
        yield hub


@pytest.fixture
def hub(the_hub: Hub) -> Hub:
    """The hub, well and with nothing asked of it yet."""
    the_hub.forget()
    return the_hub


@pytest.fixture(scope="package")
def downloading(models: Path, cache: Path, the_hub: Hub) -> Iterator[System]:
    """A system with that hub, whose downloads do not run yet."""
    settings = {
        "AUTO_DOWNLOAD": 1,
        "HF_ENDPOINT": the_hub.url,
        "HF_HUB_CACHE": cache,
        "HF_TOKEN": "hf_secret",
    }
    running = System(models, "first", **settings).start()
    yield running
    running.stop()


@pytest.fixture
def fetching(downloading: System, hub: Hub) -> Iterator[System]:
    """The same with its downloads, which no story leaves behind."""
    downloading.start_downloads()
    yield downloading
    hub.go.set()
    if downloading.downloads is not None:
        downloading.stop_downloads()


@pytest.fixture
def client(system: System) -> openai.OpenAI:
    return system.openai()
