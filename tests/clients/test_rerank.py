"""Ranking documents through all processes, beside vectors."""

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.minilm import NAME as MINILM
from tests.support.rerankers import reference
from tests.support.system import System

QUERY = "What is a panda?"
DOCUMENTS = ["hi", "it is a bear", "The giant panda is a bear of China.", "x" * 300]


def post(system: System, path: str, **body: Any) -> Any:
    return system.http.post(path, json=body).raise_for_status().json()


def test_documents_are_ranked_beside_vectors(tiny: System, models: Path) -> None:
    expected = reference(models / "ranker", QUERY, DOCUMENTS)
    likely = [1 / (1 + math.exp(-each)) for each in expected]

    def rank(_: int) -> Any:
        return post(tiny, "/v1/rerank", model="ranker", query=QUERY, documents=DOCUMENTS)

    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(rank, range(4))
        vectors = post(tiny, "/v1/embeddings", model=MINILM, input=DOCUMENTS)
        for answer in answers:
            rows = answer["results"]
            assert [each["relevance_score"] for each in rows] == pytest.approx(sorted(likely, reverse=True))
            assert [likely[each["index"]] for each in rows] == pytest.approx(sorted(likely, reverse=True))
            assert [each["document"]["text"] for each in rows] == [DOCUMENTS[each["index"]] for each in rows]
    assert len(vectors["data"]) == len(DOCUMENTS)


def test_tei_gets_its_raw_numbers(tiny: System, models: Path) -> None:
    expected = reference(models / "ranker", QUERY, DOCUMENTS[:3])
    answer = post(tiny, "/v1/rerank", query=QUERY, texts=DOCUMENTS[:3], raw_scores=True)
    assert {each["index"]: each["score"] for each in answer} == pytest.approx(
        dict(enumerate(expected)), abs=1e-4
    )
    long = tiny.http.post("/v1/rerank", json={"query": QUERY, "texts": DOCUMENTS})
    assert (long.status_code, long.json()["error_type"]) == (400, "Validation")
    assert "documents[3]" in long.json()["error"]


def test_a_model_does_not_do_what_it_can_not(tiny: System) -> None:
    answer = tiny.http.post("/v1/embeddings", json={"model": "ranker", "input": "x"})
    assert answer.status_code == 400
    assert "makes no vectors" in answer.json()["error"]["message"]
