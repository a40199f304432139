"""A running system with a model of each kind: one that was trained, one with random weights, one for embeddings."""

from collections.abc import Iterator

import pytest

from tests.support.checkpoints import random_qwen3
from tests.support.hub_listing import HubListing, listed
from tests.support.minilm import put_minilm
from tests.support.system import REPO, System


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """`tiny-chat`, `random` and `all-MiniLM-L6-v2`; a hub that lists two more."""
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "random", seed=1)
    roots = f"{REPO / 'models'}:{root}"
    with HubListing(listed("org/one"), listed("org/two", pipeline="text-to-speech")) as hub:
        settings = {
            "MODEL_ROOTS": roots,
            "EMBEDDING_MODEL": put_minilm(root),
            "HF_ENDPOINT": hub.url,
            "HF_HUB_CACHE": root / "hub",
        }
        running = System(REPO / "models", "tiny-chat", **settings)
        try:
            yield running.start()
        finally:
            running.stop()
