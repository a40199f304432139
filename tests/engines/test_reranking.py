"""Models that rank documents by themselves: their numbers, whatever else is computed in the same step."""

import math
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.utils import load as load_directly

from config.settings import Settings
from jobs.errors import ContextLengthExceeded, InvalidRequest
from jobs.kinds import Category
from jobs.payloads import EmbeddingPayload, RerankPayload
from jobs.results import RerankResult
from mlxq.catalog import Catalog
from tests.support.encoders import random_encoder
from tests.support.rerankers import (
    CONTEXT,
    FAMILIES,
    random_cross_encoder,
    random_qwen3_reranker,
    reference,
)
from worker.engines.base import Done, Failed
from worker.engines.embedding.engine import TextEngine
from worker.engines.embedding.loading import load

QUERY = "What is a panda?"
#: Of lengths that can't all go through the model together; the last one is cut.
DOCUMENTS = ["hi", "it is a bear", "The giant panda is a bear of China. " * 2, "¿Qué? 这是什么?", "x" * 300]


def loaded(root: Path, name: str = "model") -> TextEngine:
    settings = Settings.model_validate({"model_roots": (root,)})
    return load(Catalog(settings).resolve(name, Category.EMBEDDING), settings)


def payload(**changes: Any) -> RerankPayload:
    return RerankPayload(**{"query": QUERY, "documents": DOCUMENTS, "raw": True, **changes})


def until_ended(engine: TextEngine, *task_ids: str) -> dict[str, Done | Failed]:
    ended: dict[str, Done | Failed] = {}
    while not ended.keys() >= set(task_ids):
        ended |= {each.task_id: each for each in engine.step() if isinstance(each, Done | Failed)}
    return ended


def ranked(engine: TextEngine, asked: RerankPayload) -> RerankResult:
    engine.add("task", asked, 0)
    done = until_ended(engine, "task")["task"]
    assert isinstance(done, Done), done
    assert isinstance(done.result, RerankResult)
    return done.result


def numbers(result: RerankResult) -> list[float]:
    """In the order of the documents."""
    return [rank.score for rank in sorted(result.ranks, key=lambda rank: rank.index)]


@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
def test_a_cross_encoder_computes_what_transformers_does(tmp_path: Path, family: str) -> None:
    folder = random_cross_encoder(tmp_path / "model", family)
    expected = reference(folder, QUERY, DOCUMENTS)
    assert max(expected) - min(expected) > 0.05
    engine = loaded(tmp_path)
    result = ranked(engine, payload())
    assert numbers(result) == pytest.approx(expected, abs=1e-4)
    in_order = [rank.score for rank in result.ranks]
    assert in_order == pytest.approx(sorted(expected, reverse=True), abs=1e-4)
    engine.close()


@pytest.mark.parametrize("family", [*FAMILIES, "qwen3"])
def test_neighbours_of_any_length_change_no_number(tmp_path: Path, family: str) -> None:
    name = "tiny-reranker"
    if family == "qwen3":
        random_qwen3_reranker(tmp_path / name)
    else:
        random_cross_encoder(tmp_path / name, family)
    engine = loaded(tmp_path, name)
    together = numbers(ranked(engine, payload()))
    for document, number in zip(DOCUMENTS, together, strict=True):
        (alone,) = numbers(ranked(engine, payload(documents=[document])))
        assert alone == pytest.approx(number, abs=1e-3)
    engine.close()


def test_qwen3_says_how_much_likelier_yes_is_than_no(tmp_path: Path) -> None:
    folder = random_qwen3_reranker(tmp_path / "Qwen3-Reranker-tiny")
    loaded_directly: Any = load_directly(str(folder))
    model, tokenizer = loaded_directly[0], loaded_directly[1]
    prompt = (
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
        'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
        "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n"
        f"<Query>: {QUERY}\n<Document>: {DOCUMENTS[1]}"
        "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )
    logits = model(mx.array([tokenizer.encode(prompt)]))[0, -1]
    yes, no = (logits[tokenizer.encode(word)[0]].item() for word in ("yes", "no"))
    engine = loaded(tmp_path, folder.name)
    result = ranked(engine, payload(documents=DOCUMENTS[:3], raw=False))
    assert numbers(result)[1] == pytest.approx(math.exp(yes) / (math.exp(yes) + math.exp(no)), abs=1e-4)
    other = ranked(engine, payload(documents=DOCUMENTS[:3], raw=False, instruction="Find poems"))
    assert numbers(other) != numbers(result)
    engine.close()


def test_the_answer_is_as_long_as_it_is_wanted(tmp_path: Path) -> None:
    random_cross_encoder(tmp_path / "model")
    engine = loaded(tmp_path)
    everything = ranked(engine, payload(raw=False, texts=True))
    assert [rank.text for rank in everything.ranks] == [DOCUMENTS[rank.index] for rank in everything.ranks]
    assert all(0 < rank.score < 1 for rank in everything.ranks)
    best = ranked(engine, payload(raw=False, top=2))
    assert [(rank.index, rank.text) for rank in best.ranks] == [
        (rank.index, None) for rank in everything.ranks[:2]
    ]
    assert best.usage == everything.usage
    engine.close()


def test_documents_may_be_cut_or_refused(tmp_path: Path) -> None:
    folder = random_cross_encoder(tmp_path / "model")
    engine = loaded(tmp_path)
    short = numbers(ranked(engine, payload(documents=["x" * 300, "x" * 20], document_tokens=20)))
    assert short[0] == pytest.approx(short[1], abs=1e-5)
    # Megabytes are not read to their end.
    huge = ["x" * 2_000_000]
    assert numbers(ranked(engine, payload(documents=huge))) == pytest.approx(
        reference(folder, QUERY, ["x" * 1000]), abs=1e-4
    )
    for documents in (["fine", "x" * 300], ["fine", *huge]):
        with pytest.raises(ContextLengthExceeded, match=rf"documents\[1\].*{CONTEXT} tokens"):
            engine.add("long", payload(documents=documents, truncate=False), 0)
    assert engine.step() == []
    engine.close()


def test_each_model_does_its_own_work_only(tmp_path: Path) -> None:
    random_cross_encoder(tmp_path / "ranker")
    random_encoder(tmp_path / "encoder")
    ranker, encoder = loaded(tmp_path, "ranker"), loaded(tmp_path, "encoder")
    with pytest.raises(InvalidRequest, match="makes no vectors"):
        ranker.add("vectors", EmbeddingPayload(inputs=["x"]), 0)
    with pytest.raises(InvalidRequest, match="does not rank"):
        encoder.add("ranks", payload(), 0)
    ranker.close()
    encoder.close()


def test_classifiers_of_several_classes_are_no_rerankers(tmp_path: Path) -> None:
    random_cross_encoder(tmp_path / "mood", id2label={"0": "good", "1": "bad"})
    random_cross_encoder(tmp_path / "ranker")
    random_qwen3_reranker(tmp_path / "qwen3-reranker")
    random_qwen3_reranker(tmp_path / "chat")
    catalog = Catalog(Settings.model_validate({"model_roots": (tmp_path,)}))
    families = {model.id: model.family_name for model in catalog.installed()}
    assert families == {
        "mood": "embedding",
        "ranker": "reranker",
        "qwen3-reranker": "reranker",
        "chat": "language",
    }
