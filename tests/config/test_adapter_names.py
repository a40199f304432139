"""The id of a model with an adapter means the same on the worker, wherever the server's own model lies."""

import json
from pathlib import Path

import pytest

from config.settings import Settings
from mlxq.catalog import Catalog, UnknownAdapter


def put(folder: Path, *files: str) -> Path:
    folder.mkdir(parents=True)
    for file in files:
        (folder / file).write_text(json.dumps({"model_type": "qwen3"}))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(tmp_path / "root" / "org" / "model", "config.json", "model.safetensors")
    put(tmp_path / "root" / "team" / "poet", "adapter_config.json", "adapters.safetensors")
    return tmp_path / "root"


def catalog(root: Path, default: str) -> Catalog:
    return Catalog(Settings.model_validate({"model_roots": (root,), "llm_model": default}))


def test_an_id_means_the_same_again(root: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "outside", "config.json", "model.safetensors")
    for default, base in (("org/model", "org/model"), (str(outside), "outside")):
        for server in (catalog(root, default), catalog(root, f"{default}+team/poet")):
            ref = server.resolve("default", adapter="team/poet")
            assert (ref.id, ref.base_id) == (f"{base}+team/poet", base)
            assert server.resolve(ref.id) == ref
            assert ref.adapter is not None
            assert ref.adapter.path == root / "team" / "poet"


def test_a_model_of_the_hub_may_have_a_local_adapter(root: Path) -> None:
    ref = catalog(root, "org/model").resolve("someone/elses+team/poet")
    assert (ref.id, ref.base_id, ref.path) == ("someone/elses+team/poet", "someone/elses", None)


def test_a_folder_whose_name_has_a_plus_is_a_model(root: Path) -> None:
    folder = put(root / "model+dpo", "config.json", "model.safetensors")
    ref = catalog(root, "org/model").resolve("model+dpo")
    assert (ref.path, ref.adapter) == (folder, None)
    assert catalog(root, str(folder)).default() == ref


def test_an_embedding_model_takes_no_adapter(root: Path) -> None:
    put(root / "encoder", "model.safetensors")
    (root / "encoder" / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(UnknownAdapter, match="takes no adapter"):
        catalog(root, "org/model").resolve("encoder", adapter="team/poet")
