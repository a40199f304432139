"""Embeddings over HTTP: MiniLM's vectors as mlx-embeddings computes them, in every form that clients ask for."""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import ollama
import openai
import pytest
import redis
from mlx_embeddings.utils import generate
from mlx_embeddings.utils import load as load_directly

from jobs import keys
from tests.support.checkpoints import random_qwen3
from tests.support.encoders import CONTEXT, POISON, random_encoder
from tests.support.minilm import NAME as MINILM
from tests.support.minilm import put_minilm
from tests.support.openai_shape import check_shape
from tests.support.stories import outcome, story
from tests.support.system import System
from tests.system.test_models import active_memory

TEXTS = [
    "A cat sits on the mat.",
    "Ein Hund bellt laut.",
    "The stock market fell sharply today, says the bank.",
    "猫",
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MiniLM, two random encoders, one that is poisoned, an embedding model of a chat model's type, a chat model."""
    root = tmp_path_factory.mktemp("models")
    put_minilm(root)
    random_encoder(root / "small", seed=1)
    random_encoder(root / "other", seed=2)
    random_encoder(root / "poisoned", seed=3, poisoned=True)
    random_encoder(root / "org" / "Tiny-Embedding", "qwen3", seed=4)
    random_qwen3(root / "chat", seed=1)
    return root


@pytest.fixture(scope="module")
def system(root: Path) -> Iterator[System]:
    running = System(root, "chat", EMBEDDING_MODEL=root / MINILM)
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(scope="module")
def client(system: System) -> openai.OpenAI:
    return system.openai(timeout=60)


@pytest.fixture(scope="module")
def expected(root: Path) -> Any:
    """The vectors of TEXTS by mlx-embeddings itself."""
    model, tokenizer = load_directly(str(root / MINILM))
    return np.array(generate(model, tokenizer, TEXTS).text_embeds)


def embed(system: System, *inputs: Any, model: str = MINILM, **options: Any) -> Any:
    """The vectors of a request of the given inputs, one per row."""
    body = {"model": model, "input": list(inputs), "encoding_format": "base64", **options}
    answer = system.http.post("/v1/embeddings", json=body).raise_for_status().json()
    assert [row["index"] for row in answer["data"]] == list(range(len(inputs)))
    return np.stack([np.frombuffer(base64.b64decode(row["embedding"]), "<f4") for row in answer["data"]])


def same(ours: Any, others: Any) -> bool:
    """Cosines of at least 0.99999, row by row, of vectors of length 1."""
    assert ours.shape == others.shape
    assert np.allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
    return bool((np.sum(ours * others, axis=1) >= 0.99999).all())


def test_the_vectors_are_the_librarys(client: openai.OpenAI, root: Path, expected: Any) -> None:
    answer = client.embeddings.create(model=MINILM, input=TEXTS)
    assert [row.index for row in answer.data] == [0, 1, 2, 3]
    assert same(np.array([row.embedding for row in answer.data]), expected)
    _, tokenizer = load_directly(str(root / MINILM))
    tokens = sum(len(ids) for ids in tokenizer(TEXTS)["input_ids"])
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == tokens
    one = client.embeddings.create(model=MINILM, input=TEXTS[1], user="somebody")
    assert same(np.array([one.data[0].embedding]), expected[1:2])


def test_numbers_and_base64_are_the_same_numbers(system: System) -> None:
    body = {"model": MINILM, "input": TEXTS[:2], "encoding_format": "float"}
    floats = system.http.post("/v1/embeddings", json=body).raise_for_status().json()
    check_shape("CreateEmbeddingResponse", floats)
    del body["encoding_format"]
    assert system.http.post("/v1/embeddings", json=body).json() == floats
    numbers = np.array([row["embedding"] for row in floats["data"]], np.float32)
    assert (numbers == embed(system, *TEXTS[:2])).all()


def test_token_ids_are_as_good_as_text(client: openai.OpenAI, root: Path, expected: Any) -> None:
    _, tokenizer = load_directly(str(root / MINILM))
    ids = tokenizer(TEXTS)["input_ids"]
    many = client.embeddings.create(model=MINILM, input=ids)
    assert same(np.array([row.embedding for row in many.data]), expected)
    one = client.embeddings.create(model=MINILM, input=ids[0])
    assert same(np.array([one.data[0].embedding]), expected[:1])
    assert one.usage.prompt_tokens == len(ids[0])


def test_fewer_dimensions_are_the_first_ones_at_length_one(client: openai.OpenAI, expected: Any) -> None:
    answer = client.embeddings.create(model=MINILM, input=TEXTS, dimensions=64)
    cut = expected[:, :64] / np.linalg.norm(expected[:, :64], axis=1, keepdims=True)
    assert same(np.array([row.embedding for row in answer.data]), cut)
    whole = client.embeddings.create(model=MINILM, input=TEXTS[0], dimensions=384)
    assert same(np.array([whole.data[0].embedding]), expected[:1])


@pytest.mark.parametrize("name", ["default", "text-embedding-3-small", "text-embedding-ada-002"])
def test_openais_names_mean_the_default_model(client: openai.OpenAI, expected: Any, name: str) -> None:
    answer = client.embeddings.create(model=name, input=TEXTS[0])
    assert answer.model == name
    assert same(np.array([answer.data[0].embedding]), expected[:1])


def test_two_thousand_inputs_in_one_call(system: System) -> None:
    texts = [f"text {number}" for number in range(2048)]
    vectors = embed(system, *texts, model="small")
    picked = [0, 7, 1023, 2047]
    assert same(vectors[picked], embed(system, *(texts[number] for number in picked), model="small"))
    assert len(np.unique(vectors.round(5), axis=0)) == 2048


def test_each_of_many_clients_gets_its_own(system: System, client: openai.OpenAI) -> None:
    texts = [[f"client {number}, {'long ' * (number % 5)}{part}" for part in "ab"] for number in range(32)]

    def ask(mine: list[str]) -> Any:
        answer = client.embeddings.create(model="small", input=mine)
        return np.array([row.embedding for row in answer.data])

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(ask, texts))
    together = embed(system, *(text for pair in texts for text in pair), model="small")
    assert same(np.concatenate(answers), together)


def test_a_large_request_holds_up_nobody_and_stops_when_told(system: System) -> None:
    texts = [f"{number} {'x' * (CONTEXT - 20)}" for number in range(2048)]
    body = {"model": "small", "input": texts, "background": True}
    job_id = system.http.post("/v1/embeddings", json=body).json()["id"]
    system.wait_until(lambda: system.job(job_id)["status"] == "in_progress", "it does not start")
    assert embed(system, "small", "request", model="small").shape == (2, 64)
    assert system.job(job_id)["status"] == "in_progress"
    system.http.delete(f"/v1/jobs/{job_id}").raise_for_status()
    assert outcome(system, job_id)["status"] == "cancelled"
    progress = [event.data for event in story(system, job_id) if event.type == "progress"]
    assert all(before["done"] < after["done"] <= after["total"] for before, after in pairwise(progress))
    assert embed(system, "afterwards", model="small").shape == (1, 64)


def test_a_job_answers_as_a_call_does(system: System) -> None:
    body = {"model": "small", "input": "later", "encoding_format": "float"}
    accepted = system.http.post("/v1/embeddings", json=body, headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202
    result = outcome(system, accepted.json()["id"])["result"]
    check_shape("CreateEmbeddingResponse", result)
    assert result == system.http.post("/v1/embeddings", json=body).json()


def test_lm_studios_clients_say_how_long_the_model_stays(system: System) -> None:
    answer = system.http.post("/api/v0/embeddings", json={"model": "small", "input": "Hello", "ttl": 7200})
    assert answer.status_code == 200, answer.text
    assert "warning" not in answer.headers

    def stays() -> float:
        (row,) = (each for each in system.http.get("/api/ps").json()["models"] if each["name"] == "small")
        return (datetime.fromisoformat(row["expires_at"]) - datetime.now(UTC)).total_seconds()

    system.wait_until(lambda: 3600 < stays() <= 7200, "the model does not stay so long")
    system.http.post("/api/v1/models/unload", json={"instance_id": "small"}).raise_for_status()


def test_vectors_that_were_delivered_do_not_stay(system: System) -> None:
    def kept(**headers: str) -> int:
        body = {"model": "small", "input": "short-lived"}
        job_id = system.http.post("/v1/embeddings", json=body, headers=headers).headers["x-request-id"]
        with redis.Redis.from_url(system.redis.url) as connection:
            left = [
                connection.ttl(key) for key in (keys.job(job_id), keys.results(job_id), keys.events(job_id))
            ]
        assert all(seconds > 0 for seconds in left)
        return int(max(left))

    assert kept() <= 15
    assert kept(**{"Idempotency-Key": "once"}) > 15


BAD_INPUTS: dict[str, tuple[dict[str, Any], str]] = {
    "no input": ({"input": None}, "input"),
    "an empty text": ({"input": ""}, "input"),
    "an empty list": ({"input": []}, "input"),
    "an empty item": ({"input": ["a", ""]}, "input"),
    "an empty list of ids": ({"input": [[101, 102], []]}, "input"),
    "a number": ({"input": 7}, "input"),
    "true": ({"input": [True]}, "input"),
    "an object": ({"input": {"text": "a"}}, "input"),
    "texts and ids": ({"input": ["a", [101, 102]]}, "input"),
    "ids and texts": ({"input": [101, "a"]}, "input"),
    "a list in a list in a list": ({"input": [[[101]]]}, "input"),
    "a negative id": ({"input": [-1]}, "input"),
    "a huge id": ({"input": [2**40]}, "input"),
    "a fraction": ({"input": [1.5]}, "input"),
    "an id that no token has": ({"input": [101, 99999, 102]}, "input"),
    "ids of another tokenizer": ({"input": [[101, 2023, 102], [15339, 1917]]}, "input"),
    "too many inputs": ({"input": ["a"] * 2049}, "input"),
    "too long a text": ({"input": ["a", "word " * 600]}, "input"),
    "far too long a text": ({"input": "word " * 200_000}, "input"),
    "too many ids": ({"input": [101, *[2023] * 600, 102]}, "input"),
    "no dimensions": ({"dimensions": 0}, "dimensions"),
    "more dimensions than there are": ({"dimensions": 385}, "dimensions"),
    "half a dimension": ({"dimensions": 1.5}, "dimensions"),
    "an unknown format": ({"encoding_format": "hex"}, "encoding_format"),
    "a chat model": ({"model": "chat"}, "model"),
    "no model": ({"model": None}, "model"),
}


@pytest.mark.parametrize(("fields", "param"), BAD_INPUTS.values(), ids=BAD_INPUTS.keys())
def test_bad_input_is_the_clients_mistake(system: System, fields: dict[str, Any], param: str) -> None:
    answer = system.http.post("/v1/embeddings", json={"model": MINILM, "input": "fine", **fields})
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["param"], error["type"]) == (param, "invalid_request_error")


def test_what_is_too_long_is_named(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"input\[2\].*512 tokens") as refused:
        client.embeddings.create(model=MINILM, input=["a", "b", "word " * 600])
    assert refused.value.code == "context_length_exceeded"
    longest = client.embeddings.create(model="small", input="x" * (CONTEXT - 2))
    assert longest.usage.prompt_tokens == CONTEXT


@pytest.mark.parametrize(("path", "field"), [("embed", "input"), ("embeddings", "prompt")])
def test_ollamas_clients_get_a_vector_of_what_fits(system: System, path: str, field: str) -> None:
    def vector(text: str) -> Any:
        body = {"model": "small", field: text}
        answer = system.http.post(f"/api/{path}", json=body).raise_for_status().json()
        return answer["embedding"] if path == "embeddings" else answer["embeddings"][0]

    fitting = vector("x" * (CONTEXT - 2))
    assert vector("x" * CONTEXT) == fitting
    assert vector("x" * 1_000_000) == fitting
    asked = {"model": "small", "input": "x" * CONTEXT, "truncate": False}
    assert system.http.post("/api/embed", json=asked).status_code == 400


def test_without_a_text_ollamas_clients_load_and_unload(ollamas: ollama.Client) -> None:
    def held() -> list[str | None]:
        return [each.model for each in ollamas.ps().models if each.model == "small"]

    ollamas.generate("small", keep_alive=0)
    assert held() == []
    nothing: str | list[str]
    for nothing in ("", []):
        assert ollamas.embed("small", nothing).embeddings == []
        assert held() == ["small"]
        ollamas.embed("small", nothing, keep_alive=0)
        assert held() == []
    assert ollamas.embeddings("small", "").embedding == []
    assert held() == ["small"]
    told = ollamas.embed("small", ["", "a text"])
    assert len(told.embeddings) == 2
    assert told.total_duration
    with pytest.raises(ollama.ResponseError, match="not found"):
        ollamas.embed("nope", [])
    with pytest.raises(ollama.ResponseError, match="embed"):
        ollamas.generate("small", "")


def test_an_embedding_model_does_not_chat(client: openai.OpenAI) -> None:
    for model in (MINILM, "org/Tiny-Embedding"):
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}])
        assert (refused.value.code, refused.value.param) == ("unsupported_model", "model")


def test_an_unknown_model_is_not_there(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="unheard-of", input="a")


def test_a_poisoned_text_hurts_its_own_request_only(system: System, client: openai.OpenAI) -> None:
    def ask(text: str) -> Any:
        try:
            return client.embeddings.create(model="poisoned", input=[text, "fine"]).data
        except openai.InternalServerError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, ["fine", POISON] * 4))
    assert answers[1::2] == ["engine_error"] * 4
    assert all(len(rows) == 2 for rows in answers[::2])


def test_models_come_and_go(system: System, root: Path) -> None:
    def status() -> dict[str, Any]:
        models: dict[str, Any] = system.http.get("/v1/models/status").json()["models"]
        return models

    before = embed(system, "a text", model="small")
    assert status()["embedding"] == "small"
    assert not same(embed(system, "a text", model="other"), before)
    assert status() == {**status(), "embedding": "other", "llm": "chat"}

    loaded = system.http.post("/v1/models/load", json={"model": MINILM}).raise_for_status().json()
    assert (loaded["model"], loaded["model_type"]) == (MINILM, "embedding")
    rows = {row["id"]: row for row in system.http.get("/v1/models").json()["data"]}
    assert rows[MINILM]["status"] == "loaded"
    assert (rows["org/Tiny-Embedding"]["type"], rows["chat"]["type"]) == ("embedding", "llm")
    assert rows["small"]["endpoints"] == ["/v1/embeddings"]

    with_model = active_memory(system)
    system.http.post("/v1/models/unload", json={"model_type": "embedding"}).raise_for_status()
    assert status()["embedding"] is None
    assert active_memory(system) < with_model - 0.9 * (root / MINILM / "model.safetensors").stat().st_size
    assert same(embed(system, "a text", model="small"), before)


def test_without_a_model_of_the_users_the_packaged_one_answers(make_system: Any) -> None:
    """The development environment brings the package; tests/api/test_usual_models.py has what is told without it."""
    embeddings = make_system().openai().embeddings
    for name, told in (("default", None), ("text-embedding-3-small", MINILM)):
        answer = embeddings.with_raw_response.create(model=name, input="a", encoding_format="float")
        assert len(answer.parse().data[0].embedding) == 384
        assert (told or "") in answer.headers.get("warning", "")
