"""The embedding engine by itself: every family's vectors, whatever else is computed in the same step."""

import base64
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx_embeddings.utils import load as load_directly

from config.settings import Settings
from jobs.errors import InvalidRequest
from jobs.kinds import Category
from mlxq.catalog import Catalog
from tests.support.encoders import FAMILIES, POISON, random_encoder
from tests.support.payloads import typed
from tests.support.steps import result_of, until_ended
from worker.engines.base import Done, Failed, Output, Progress
from worker.engines.embedding.cpu_gelu import gelu
from worker.engines.embedding.engine import TextEngine
from worker.engines.embedding.loading import load
from worker.engines.embedding.padding import group

#: Of lengths that can't all go through the model together.
TEXTS = ["a", "hello world", "y" * 30, "¿Qué es esto? 这是什么?", "hello there, what is this", "x" * 200]


def loaded(root: Path, name: str) -> TextEngine:
    settings = Settings.model_validate({"model_roots": (root,)})
    return load(Catalog(settings).resolve(name, Category.EMBEDDING), settings)


def vector(encoded: str) -> Any:
    return np.frombuffer(base64.b64decode(encoded), "<f4")


def vectors(output: Output) -> list[Any]:
    return [vector(encoded) for encoded in result_of(output)["embeddings"]]


def test_the_model_of_a_package_is_what_services_names_mean_without_a_hub(tmp_path: Path) -> None:
    settings = Settings(model_roots=(tmp_path,), data_dir=tmp_path, hub_cache=tmp_path, hf_hub_offline=True)
    named = Catalog(settings).resolve("text-embedding-3-small", Category.EMBEDDING)
    # The worker gets the id.
    engine = load(Catalog(settings).resolve(named.id, Category.EMBEDDING), settings)
    engine.add("a", typed({"inputs": ["A cat sits.", "A kitten sits.", "The market fell."]}), 0)
    cat, kitten, market = vectors(until_ended(engine, "a")["a"])
    assert cat @ kitten > 0.7 > 0.3 > cat @ market


@pytest.mark.parametrize("family", FAMILIES)
def test_neighbours_of_any_length_change_no_vector(tmp_path: Path, family: str) -> None:
    folder = random_encoder(tmp_path / "model", family)
    model, tokenizer = load_directly(str(folder))
    engine = loaded(tmp_path, "model")
    engine.add("many", typed({"inputs": TEXTS}), 0)
    engine.add("few", typed({"inputs": TEXTS[:2]}), 0)
    ended = until_ended(engine, "many", "few")
    for text, got in zip(TEXTS, vectors(ended["many"]), strict=True):
        alone = tokenizer([text], return_tensors="mlx")
        expected = np.array(model(alone["input_ids"], attention_mask=alone["attention_mask"]).text_embeds[0])
        assert got @ expected > 0.99999
    for same, got in zip(vectors(ended["few"]), vectors(ended["many"]), strict=False):
        assert same @ got > 0.99999
    engine.close()


def test_each_step_takes_from_every_request(tmp_path: Path) -> None:
    random_encoder(tmp_path / "model")
    engine = loaded(tmp_path, "model")
    engine.add("large", typed({"inputs": [f"{number} {'long ' * 90}" for number in range(2000)]}), 0)
    engine.step()
    engine.add("small", typed({"inputs": ["one", "two"]}), 0)
    told: list[Output] = []
    while not any(isinstance(output, Done) for output in told):
        told += engine.step()
    assert [output.task_id for output in told if isinstance(output, Done)] == ["small"]
    progress = [output for output in told if isinstance(output, Progress) and output.task_id == "large"]
    assert [output.done for output in progress] == sorted({output.done for output in progress})
    assert progress[-1].done < progress[-1].total == 2000
    engine.remove("large")
    assert engine.step() == []


def test_a_vector_without_numbers_fails_its_own_request_only(tmp_path: Path) -> None:
    random_encoder(tmp_path / "model", poisoned=True)
    engine = loaded(tmp_path, "model")
    engine.add("poisoned", typed({"inputs": ["fine", f"not {POISON} fine", "fine"]}), 0)
    engine.add("healthy", typed({"inputs": ["fine", "not fine"]}), 0)
    ended = until_ended(engine, "poisoned", "healthy")
    assert isinstance(failed := ended["poisoned"], Failed)
    assert "input[1]" in failed.error.message
    assert all(np.isclose(np.linalg.norm(each), 1) for each in vectors(ended["healthy"]))


def test_what_makes_no_vectors_of_texts_is_refused(tmp_path: Path) -> None:
    folder = random_encoder(tmp_path / "model")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"model_type": "bert"', '"model_type": "mpnet"'))
    with pytest.raises(InvalidRequest, match="mpnet"):
        loaded(tmp_path, "model")


def test_the_cpus_gelu_is_the_exact_one() -> None:
    x = mx.linspace(-12, 12, 100_001)
    assert float(mx.abs(gelu(x) - nn.gelu(x)).max()) < 2e-6


@pytest.mark.parametrize("overhead", [0, 7, 30])
def test_no_grouping_pads_less(overhead: int) -> None:
    lengths = [9, 3, 14, 3, 10, 1, 16]
    groups = group(lengths, overhead)
    assert sorted(place for places in groups for place in places) == list(range(len(lengths)))
    in_order = sorted(lengths)
    least = min(
        sum((b - a) * in_order[b - 1] + overhead for a, b in pairwise([0, *cuts, len(lengths)]))
        for count in range(len(lengths))
        for cuts in combinations(range(1, len(lengths)), count)
    )
    assert sum(len(places) * max(lengths[place] for place in places) + overhead for places in groups) == least
