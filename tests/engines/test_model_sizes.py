"""A config.json whose sizes no weights could have is refused before anything is made of it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from jobs.errors import InvalidRequest
from jobs.kinds import Category
from mlxq.catalog import Catalog, ModelRef
from tests.engines.test_models_are_data import FAMILIES
from tests.support.checkpoints import random_qwen3
from tests.support.seat import Seat
from worker.engines.base import Engine
from worker.guard.sizes import check_sizes
from worker.memory import Limits, Memory
from worker.slots import Slot


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_qwen3(tmp_path_factory.mktemp("sizes") / "qwen3")


@pytest.fixture
def folder(qwen3: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(qwen3, tmp_path / "models" / "qwen3"))


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_hidden_layers", 10**6),
        ("num_hidden_layers", 1e6),
        ("num_hidden_layers", 10**30),
        ("num_attention_heads", 10**6),
        ("num_experts", 10**7),
        ("hidden_size", 10**6),
        ("intermediate_size", 10**9),
        ("vocab_size", 10**8),
        ("head_dim", 10**7),
        ("max_position_embeddings", 10**12),
        ("vision_config", {"depth": 10**6}),
        ("text_config", {"encoder": [{"num_layers": 10**6}]}),
    ],
)
def test_more_than_the_weights_have_is_refused(folder: Path, name: str, value: object) -> None:
    edit(folder, lambda config: config.update({name: value}))
    with pytest.raises(InvalidRequest, match="says") as refused:
        check_sizes(ModelRef("qwen3", folder))
    assert refused.value.code == "unsupported_model"
    assert str(folder) not in refused.value.message


@pytest.mark.parametrize("family", FAMILIES)
def test_models_as_they_are_made_are_not(family: str, tmp_path: Path) -> None:
    folder = FAMILIES[family][1](tmp_path / "models")
    check_sizes(ModelRef(folder.name, folder))


@pytest.mark.parametrize(
    "config",
    [
        # Of the hub's files: sizes that no tensor has, and numbers that are none.
        {"max_position_embeddings": 10_485_760, "rope_theta": 1e7, "bos_token_id": 200_000},
        {"sliding_window": 131_072, "max_window_layers": 28, "attention_chunk_size": 8192},
        {"n_layers": 24, "block_size": 131_072, "n_ctx": 131_072, "layer_norm_epsilon": 1e-5},
        {"sampling_rate": 24_000, "hop_length": 256, "max_source_positions": 1500, "chunk_length": 30},
        {"vision_config": {"image_size": 1792, "max_pixels": 12_845_056, "patch_size": 14}},
        {"quantization": {"group_size": 64, "bits": 4, "model.layers.0": {"group_size": 32, "bits": 8}}},
        {"num_experts": 512, "moe_intermediate_size": 512, "first_k_dense_replace": 3, "n_group": 8},
        {"time_step_limit": [0.0, 1e9], "router_aux_loss_coef": 0.001, "partial_rotary_factor": 0.5},
    ],
)
def test_sizes_that_are_of_no_weights_are_not(folder: Path, config: dict[str, Any]) -> None:
    edit(folder, lambda known: known.update(config))
    check_sizes(ModelRef("qwen3", folder))


def test_the_model_in_the_slot_stays(folder: Path, qwen3: Path, tmp_path: Path) -> None:
    shutil.copytree(qwen3, folder.parent / "huge")
    edit(folder.parent / "huge", lambda config: config.update(num_hidden_layers=10**6))
    settings = Settings.model_validate({"model_roots": (folder.parent,), "data_dir": tmp_path / "data"})
    made: list[str] = []

    class Idle:
        context_length = memory_bytes = 0

    def loader(ref: ModelRef, _: Settings) -> Engine[Any]:
        made.append(ref.id)
        engine: Any = Idle()
        return engine  # type: ignore[no-any-return]

    memory = Memory(lambda: Limits(models=3, idle=0), budget=1 << 40, used=lambda: 0)
    slot = Slot(Category.LLM, loader, settings, Catalog(settings), memory, lambda: None, lambda: None)
    seat = Seat(None, None)
    slot.load("qwen3", seat)
    with pytest.raises(InvalidRequest, match="num_hidden_layers"):
        slot.load("huge", seat)
    assert (slot.model, made) == ("qwen3", ["qwen3"])
