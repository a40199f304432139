"""Cards of models: what they say of a folder, that they follow its files, and how large they may be."""

import json
import os
import time
from pathlib import Path

import pytest

from config.settings import Settings
from jobs.kinds import Category
from jobs.models import inventory as published
from jobs.models.card import Inventory
from jobs.models.inventory import LONGEST_CARD
from mlxq.catalog import Catalog, disk_inventory
from mlxq.catalog.disk_inventory import DiskInventory
from mlxq.catalog.published import PublishedModels


def settings(folder: Path) -> Settings:
    return Settings(
        data_dir=folder / "data", model_roots=(folder / "root",), hub_cache=folder / "hub", llm_model="tiny"
    )


def put(folder: Path, **config: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3", **config}))
    (folder / "model.safetensors").write_bytes(bytes(100))
    old = time.time() - 60
    os.utime(folder / "config.json", (old, old))
    return folder


def test_a_folder_is_read_again_only_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_inventory, "_RACY", 0.0)
    folder = put(tmp_path / "root" / "org" / "tiny", max_position_embeddings=100)
    disk = DiskInventory(settings(tmp_path))
    first = disk.look().cards["org/tiny"]
    assert (first.context_length, first.category, first.installed) == (100, Category.LLM, True)
    assert disk.look().cards["org/tiny"] is first

    put(folder, max_position_embeddings=2000)
    second = disk.look().cards["org/tiny"]
    assert second.context_length == 2000
    with (folder / "model.safetensors").open("ab") as file:
        file.write(bytes(50))
    assert disk.look().cards["org/tiny"].disk_bytes == second.disk_bytes + 50
    (folder / "model.safetensors").unlink()
    assert "org/tiny" not in disk.look().cards


def test_a_card_is_bounded_whatever_its_folder_holds(tmp_path: Path) -> None:
    layers = {f"model.layers.{number}": {"bits": 4, "group_size": 64} for number in range(5000)}
    put(tmp_path / "root" / "mixed", quantization={"bits": 8, "group_size": 64, **layers})
    voices = put(tmp_path / "root" / "voices", model_type="kokoro") / "voices"
    voices.mkdir()
    for number in range(2000):
        (voices / f"voice-{number:04}.safetensors").touch()
    cards = DiskInventory(settings(tmp_path)).look()
    assert cards.cards["mixed"].metadata["quantization"] == {"bits": 8, "group_size": 64}
    assert cards.cards["voices"].voices[0] == "voice-0000"
    written = published._fields(cards)
    assert {"mixed", "voices"} <= written.keys()
    assert max(map(len, written.values())) <= LONGEST_CARD


def test_names_mean_the_same_by_cards_as_by_the_disk(tmp_path: Path) -> None:
    root = tmp_path / "root"
    put(root / "tiny")
    put(root / "org" / "other")
    put(root / "a" / "twin")
    put(root / "b" / "twin")
    (root / "poet").mkdir()
    for name in ("adapter_config.json", "adapters.safetensors"):
        (root / "poet" / name).touch()
    known = settings(tmp_path)
    cards = DiskInventory(known).look()
    both = (
        Catalog(known),
        Catalog(known.model_copy(update={"model_roots": ()}), PublishedModels(known, [cards], {})),
    )
    names = ("tiny", "default", "other", "org/other", "twin", "tiny+poet", "nobody", "org/nobody")
    paths = (str(root / "tiny"), str(root), str(tmp_path), f"{root}/b/../tiny", "~", "/")
    for name in (*names, *paths):
        said = []
        for catalog in both:
            try:
                ref = catalog.resolve(name)
            except LookupError as error:
                said.append(str(error))
            else:
                said.append(f"{ref.id} {ref.category} {ref.installed} {ref.adapter and ref.adapter.id}")
        assert said[0] == said[1], name


def test_of_two_machines_the_model_that_can_be_used_counts(tmp_path: Path) -> None:
    machines = []
    for name, content in (("broken", "{"), ("whole", '{"model_type": "qwen3"}')):
        put(tmp_path / name / "root" / "tiny")
        (tmp_path / name / "root" / "tiny" / "config.json").write_text(content)
        machines.append(DiskInventory(settings(tmp_path / name)).look())
    known = settings(tmp_path)
    for order in (machines, machines[::-1]):
        assert Catalog(known, PublishedModels(known, order, {})).resolve("tiny").fault is None
    nothing = PublishedModels(known, [Inventory()], {})
    assert nothing.installed() == []
