"""Ranking documents as clients of Jina, Cohere and TEI ask for it: the documented shapes of each."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from jobs.errors import EngineFailure, QueueFull
from jobs.kinds import Category, Kind
from jobs.service_class import ServiceClass
from tests.support.rerankers import FAMILIES
from tests.support.scripted_worker import Run, ScriptedWorker

DOCUMENTS = ["hi", "it is a bear", "The giant panda is a bear species endemic to China."]
ASKED: dict[str, Any] = {"model": "org/ranker", "query": "What is panda?", "documents": DOCUMENTS}
TEI: dict[str, Any] = {"query": "What is panda?", "texts": DOCUMENTS}


def rank(run: Run) -> None:
    """Longer documents are better."""
    asked = run.payload
    texts = asked["documents"]
    order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))[: asked.get("top")]
    text = {"text": None} if not asked.get("texts") else {}
    ranks = [{"index": each, "score": len(texts[each]) / 64, "text": texts[each], **text} for each in order]
    run.end(result={"ranks": ranks, "usage": {"prompt_tokens": 38}})


@pytest.fixture(autouse=True)
def rankers(model_root: Path) -> None:
    """Two models that rank, and an encoder."""
    for name, more in (
        ("org/ranker", FAMILIES["bert"]),
        ("zranker", FAMILIES["xlm-roberta"]),
        ("encoder", {"architectures": ["BertModel"]}),
    ):
        folder = model_root / name
        folder.mkdir(parents=True)
        config = {"model_type": "bert", "id2label": {"0": "LABEL_0"}, **more}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "model.safetensors").write_bytes(bytes(1000))


@pytest.fixture
def worker(redis_url: str, clean_redis: redis.Redis) -> Iterator[ScriptedWorker]:
    with ScriptedWorker(redis_url, default=rank, category=Category.EMBEDDING) as worker:
        yield worker


def test_jinas_shape(http: httpx.Client, worker: ScriptedWorker) -> None:
    for path in ("/v1/rerank", "/rerank", "/v1/reranking", "/reranking"):
        answer = http.post(path, json={**ASKED, "top_n": 2}).raise_for_status().json()
        assert answer.pop("id").startswith("rank-")
        assert answer == {
            "model": "org/ranker",
            "object": "list",
            "usage": {"prompt_tokens": 38, "total_tokens": 38},
            "results": [
                {"index": 2, "relevance_score": len(DOCUMENTS[2]) / 64, "document": {"text": DOCUMENTS[2]}},
                {"index": 1, "relevance_score": 12 / 64, "document": {"text": DOCUMENTS[1]}},
            ],
            "meta": {"api_version": {"version": "1"}, "billed_units": {"search_units": 1}},
        }
    plain = http.post("/v1/rerank", json={**ASKED, "return_documents": False}).json()
    assert [list(each) for each in plain["results"]] == [["index", "relevance_score"]] * 3
    assert {run.claim.kind for run in worker.runs} == {Kind.RERANK}


def test_coheres_shape(http: httpx.Client, worker: ScriptedWorker) -> None:
    answer = http.post("/v2/rerank", json={**ASKED, "max_tokens_per_doc": 4096}).raise_for_status().json()
    assert list(answer) == ["id", "results", "meta"]
    assert [each["index"] for each in answer["results"]] == [2, 1, 0]
    assert [list(each) for each in answer["results"]] == [["index", "relevance_score"]] * 3
    assert answer["meta"] == {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    assert worker.runs[-1].payload["document_tokens"] == 4096
    texts = [{"text": each, "title": "x"} for each in DOCUMENTS]
    first = {**ASKED, "documents": texts, "return_documents": True, "rank_fields": ["text"]}
    answer = http.post("/v1/rerank", json=first).raise_for_status().json()
    assert answer["results"][0]["document"] == {"text": DOCUMENTS[2]}
    many = {**ASKED, "documents": ["x"] * 201}
    assert http.post("/v2/rerank", json=many).json()["meta"]["billed_units"] == {"search_units": 3}


def test_teis_shape(http: httpx.Client, worker: ScriptedWorker) -> None:
    answer = http.post("/rerank", json=TEI).raise_for_status().json()
    assert answer == [{"index": each, "score": len(DOCUMENTS[each]) / 64} for each in (2, 1, 0)]
    asked = worker.runs[-1].payload
    assert (asked.get("raw"), asked["truncate"], asked.get("texts")) == (None, False, None)
    more = {"raw_scores": True, "return_text": True, "truncate": True, "truncation_direction": "Right"}
    answer = http.post("/rerank", json={**TEI, **more}).raise_for_status().json()
    assert [each["text"] for each in answer] == DOCUMENTS[::-1]
    asked = worker.runs[-1].payload
    assert (asked["raw"], asked.get("truncate"), asked["texts"]) == (True, None, True)


def test_what_is_said_beside_the_documents_counts_or_is_named(
    http: httpx.Client, worker: ScriptedWorker
) -> None:
    more = {"priority": 500, "truncation": False, "raw_scores": True, "max_chunks_per_doc": 3, "user": "me"}
    answer = http.post("/v1/rerank", json={**ASKED, **more, "rank_fields": ["title"]}).raise_for_status()
    assert answer.headers["warning"] == '299 mlxq "ignored fields: max_chunks_per_doc, rank_fields"'
    assert worker.runs[-1].claim.service_class is ServiceClass.BACKGROUND
    assert (worker.runs[-1].payload["truncate"], worker.runs[-1].payload["raw"]) == (False, True)
    answer = http.post("/rerank", json={**TEI, "top_n": 1}).raise_for_status()
    assert [each["index"] for each in answer.json()] == [2]


@pytest.mark.parametrize("name", [None, "default", "rerank-v3.5", "jina-reranker-v2-base-multilingual"])
def test_who_names_no_model_gets_the_one_that_is_there(
    http: httpx.Client, worker: ScriptedWorker, name: str | None
) -> None:
    asked = {**TEI, "model": name}
    answer = http.post("/rerank", json=asked).raise_for_status()
    assert worker.runs[-1].claim.model == "org/ranker"
    named = name not in (None, "default")
    told = f"299 mlxq \"the model 'org/ranker' answers in place of '{name}'\"" if named else None
    assert answer.headers.get("warning") == told


def test_other_models_do_not_rank(http: httpx.Client, worker: ScriptedWorker, model_root: Path) -> None:
    for name in ("encoder", "tiny"):
        answer = http.post("/v1/rerank", json={**ASKED, "model": name})
        assert (answer.status_code, answer.json()["error_type"]) == (400, "Validation")
        assert f"'{name}'" in answer.json()["message"]
    assert http.post("/v1/rerank", json={**ASKED, "model": "nope"}).status_code == 404
    (model_root / "org/ranker/config.json").unlink()
    (model_root / "zranker/config.json").unlink()
    http.get("/v1/models")
    answer = http.post("/rerank", json=TEI)
    assert answer.status_code == 404
    assert "mlxq pull" in answer.json()["error"]


def test_rerankers_are_listed_as_such(http: httpx.Client, worker: ScriptedWorker) -> None:
    rows = {each["id"]: each for each in http.get("/v1/models").json()["data"]}
    assert rows["org/ranker"]["endpoints"] == ["/v1/rerank"]
    assert rows["encoder"]["endpoints"] == ["/v1/embeddings"]
    for path in ("/api/tags", "/api/v0/models"):
        assert "org/ranker" not in http.get(path).text


def test_errors_are_read_by_all_clients(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.fail(QueueFull("Full.")), lambda run: run.fail(EngineFailure("Broken.")))
    for said, status, kind in (("Full.", 429, "Overloaded"), ("Broken.", 500, "Backend")):
        answer = http.post("/v1/rerank", json=ASKED)
        assert (answer.status_code, answer.json()) == (
            status,
            {"error": said, "error_type": kind, "message": said, "detail": said},
        )


def test_a_job_has_the_same_answer_later(http: httpx.Client, worker: ScriptedWorker) -> None:
    for body in (ASKED, TEI):
        accepted = http.post("/rerank", json=body, headers={"prefer": "respond-async"})
        assert accepted.status_code == 202
        job = http.get(f"/v1/jobs/{accepted.json()['id']}?wait=20").json()
        assert (job["status"], job["kind"]) == ("completed", "rerank")
        now = http.post("/rerank", json=body, headers={"idempotency-key": str(len(body))}).json()
        rows = job["result"] if isinstance(now, list) else job["result"]["results"]
        assert rows == (now if isinstance(now, list) else now["results"])


BAD: dict[str, dict[str, Any]] = {
    "query is a truth": {"query": True},
    "a document is a list of texts": {"documents": [["a"]]},
    "return_text is text": {"documents": None, "texts": ["x"], "return_text": "yes"},
    "texts is a text": {"documents": None, "texts": "x"},
    "query is an object": {"query": {"text": "a"}},
    "model is a list": {"model": ["x"]},
    "documents is an object": {"documents": {"text": "a"}},
    "documents is a number": {"documents": 3},
    "a document's text is a number": {"documents": [{"text": 3}]},
    "top_n is text that is no number": {"top_n": "all"},
    "top_n is a list": {"top_n": [1]},
    "return_documents is a list": {"return_documents": [True]},
    "max_tokens_per_doc is text": {"max_tokens_per_doc": "many"},
    "instruction is a number": {"instruction": 3},
    "no query": {"query": None},
    "empty query": {"query": ""},
    "query is a number": {"query": 3},
    "query is a list": {"query": ["x"]},
    "no documents": {"documents": None},
    "empty documents": {"documents": []},
    "documents is a text": {"documents": "x"},
    "document is a number": {"documents": [3]},
    "document is null": {"documents": [None]},
    "document without text": {"documents": [{"title": "x"}]},
    "document whose text is a list": {"documents": [{"text": []}]},
    "too many documents": {"documents": ["x"] * 2049},
    "model is a number": {"model": 3},
    "empty model": {"model": ""},
    "top_n is 0": {"top_n": 0},
    "top_n is negative": {"top_n": -1},
    "top_n is text": {"top_n": "2"},
    "top_n is a fraction": {"top_n": 1.5},
    "return_documents is text": {"return_documents": "yes"},
    "max_tokens_per_doc": {"max_tokens_per_doc": 0},
    "both": {"texts": ["x"]},
    "texts is empty": {"documents": None, "texts": []},
    "text is a number": {"documents": None, "texts": [3]},
    "text is an object": {"documents": None, "texts": [{"text": "x"}]},
    "raw_scores is text": {"documents": None, "texts": ["x"], "raw_scores": "yes"},
    "truncate is a number": {"documents": None, "texts": ["x"], "truncate": 1},
    "truncation_direction": {"documents": None, "texts": ["x"], "truncation_direction": "left"},
    "instruction is empty": {"instruction": ""},
    "keep_alive": {"keep_alive": "long"},
}


def test_bad_input_is_refused(http: httpx.Client) -> None:
    for path in ("/v1/rerank", "/v2/rerank"):
        for name, fields in BAD.items():
            body = {key: value for key, value in {**ASKED, **fields}.items() if value is not None}
            answer = http.post(path, json=body)
            assert answer.status_code == 400, (name, answer.text)
            assert answer.json()["error_type"] == "Validation", name
