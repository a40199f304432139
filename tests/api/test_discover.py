"""`/v1/discover`: what a hub has to offer, in MLX-GUI's shapes, through huggingface_hub and a hub on loopback."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tests.api.conftest import MakeSettings
from tests.support.api_server import ApiServer
from tests.support.hub_listing import HubListing, listed

LLAMA = listed(
    "mlx-community/Llama-3.2-3B-Instruct-4bit",
    downloads=12543,
    likes=89,
    tags=["mlx", "llama", "instruct"],
    # As the hub counts it: quantised weights lie eight in a U32, scales and biases in BF16.
    safetensors={"parameters": {"U32": 401_000_000, "BF16": 100_500_000}, "total": 501_500_000},
    trendingScore=3,
)
MODELS = [
    LLAMA,
    listed("mlx-community/Llama-3.1-70B-Instruct-8bit", downloads=900, createdAt="2026-01-01T00:00:00.000Z"),
    listed("mlx-community/CodeLlama-7B-4bit", downloads=800, likes=500),
    listed("mlx-community/mystery", downloads=700, lastModified="2026-02-02T00:00:00.000Z"),
    listed("mlx-community/Qwen2-VL-2B-Instruct-4bit", "image-text-to-text", downloads=600, trendingScore=99),
    listed("mlx-community/Qwen2.5-Omni-7B-4bit", "any-to-any", downloads=500),
    listed("mlx-community/Qwen3-Embedding-0.6B-4bit-DWQ", "feature-extraction", downloads=1543, likes=12),
    listed("mlx-community/all-MiniLM-L6-v2-4bit", "sentence-similarity", downloads=2000),
    listed("mlx-community/whisper-large-v3-mlx", "automatic-speech-recognition", downloads=400),
    listed("meta-llama/Llama-3.2-3B-Instruct", downloads=10**6, library_name="transformers", tags=["llama"]),
    listed(
        "mlx-community/Llama-3.2-3B-8bit",
        downloads=5,
        tags=["mlx", "base_model:meta-llama/Llama-3.2-3B-Instruct"],
    ),
]

Discover = Callable[..., Any]


@pytest.fixture
def hub() -> Iterator[HubListing]:
    with HubListing(*MODELS) as listing:
        yield listing


@pytest.fixture
def http(make_settings: MakeSettings, hub: HubListing) -> Iterator[httpx.Client]:
    settings = make_settings(hf_endpoint=hub.url, hf_token=SecretStr("hf_secret"))
    with ApiServer(settings) as api, httpx.Client(base_url=api.url, timeout=60) as client:
        yield client


@pytest.fixture
def discover(http: httpx.Client) -> Discover:
    def ask(path: str, **query: Any) -> Any:
        answer = http.get(f"/v1/discover/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


def ids(answer: Any) -> list[str]:
    assert answer["total"] == len(answer["models"])
    return [str(row["id"]).removeprefix("mlx-community/") for row in answer["models"]]


def test_a_search_has_mlx_guis_shape(discover: Discover, hub: HubListing) -> None:
    answer = discover("models", query="llama-3.2-3b-instruct")
    assert answer == {
        "models": [
            {
                "id": "mlx-community/Llama-3.2-3B-Instruct-4bit",
                "name": "Llama-3.2-3B-Instruct-4bit",
                "author": "mlx-community",
                "downloads": 12543,
                "likes": 89,
                "model_type": "text",
                "size_gb": 1.68,
                "estimated_memory_gb": 2.02,
                "mlx_compatible": True,
                "has_mlx_version": True,
                "mlx_repo_id": None,
                "tags": ["mlx", "llama", "instruct"],
                "description": "Llama 3.2 3B Instruct quantized to 4-bit for MLX",
                "updated_at": "2025-01-01T12:00:00",
            }
        ],
        "total": 1,
    }
    (asked,) = hub.requests
    assert asked.authorization == "Bearer hf_secret"
    assert asked.query["filter"] == ["mlx"]


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("downloads", "Llama-3.2-3B-Instruct-4bit"),
        ("likes", "CodeLlama-7B-4bit"),
        ("created", "Llama-3.1-70B-Instruct-8bit"),
        ("updated", "mystery"),
        ("trending", "Qwen2-VL-2B-Instruct-4bit"),
    ],
)
def test_orders_and_bounds(discover: Discover, sort: str, first: str) -> None:
    assert len(ids(discover("models"))) == 10, "of all pages"
    assert ids(discover("models", sort=sort, limit=1)) == [first]
    assert len(ids(discover("models", sort=sort, limit=3))) == 3


def test_lists_of_kinds(discover: Discover) -> None:
    assert ids(discover("popular", limit=2)) == ["Llama-3.2-3B-Instruct-4bit", "all-MiniLM-L6-v2-4bit"]
    assert ids(discover("trending", limit=1)) == ["Qwen2-VL-2B-Instruct-4bit"]
    both = discover("embeddings")
    assert ids(both) == ["all-MiniLM-L6-v2-4bit", "Qwen3-Embedding-0.6B-4bit-DWQ"]
    assert {row["model_type"] for row in both["models"]} == {"feature-extraction"}
    assert ids(discover("embeddings", query="qwen3")) == ["Qwen3-Embedding-0.6B-4bit-DWQ"]
    assert ids(discover("vision")) == ["Qwen2-VL-2B-Instruct-4bit", "Qwen2.5-Omni-7B-4bit"]
    assert [row["model_type"] for row in discover("vision")["models"]] == ["vision", "multimodal"]
    assert ids(discover("stt")) == ["whisper-large-v3-mlx"]
    assert discover("stt")["models"][0]["model_type"] == "audio"


def test_categories(discover: Discover) -> None:
    categories = discover("categories")["categories"]
    short = {name: [each.rpartition("/")[2] for each in models] for name, models in categories.items()}
    assert short["Popular Text Models"][0] == "Llama-3.2-3B-Instruct-4bit"
    assert short["Vision Models"] == ["Qwen2-VL-2B-Instruct-4bit"]
    assert short["Multimodal Models"] == ["Qwen2.5-Omni-7B-4bit"]
    assert short["Code Models"] == ["CodeLlama-7B-4bit"]
    assert short["Chat Models"] == ["Llama-3.2-3B-Instruct-4bit", "Llama-3.1-70B-Instruct-8bit"]
    assert "CodeLlama-7B-4bit" in short["Small Models (< 10GB)"]
    assert short["Large Models (> 50GB)"] == ["Llama-3.1-70B-Instruct-8bit"]
    assert len(short) == 7


def test_what_fits_into_memory(discover: Discover) -> None:
    answer = discover("compatible", query="llama", max_memory_gb=6)
    assert ids(answer) == ["Llama-3.2-3B-Instruct-4bit", "CodeLlama-7B-4bit", "Llama-3.2-3B-8bit"]
    assert answer["models"][0]["memory_fit"] == "2.0GB required, 6.0GB available"
    assert answer["max_memory_gb"] == 6
    assert "mystery" not in ids(discover("compatible")), "of whose size nothing is known"
    assert discover("compatible")["max_memory_gb"] > 0


def test_one_model(discover: Discover) -> None:
    body = discover("models/mlx-community/Llama-3.2-3B-Instruct-4bit")
    message = body.pop("compatibility_message")
    assert message.startswith("✅ Compatible - ")
    assert message.endswith("GB available, 2.0GB required")
    row = discover("models", query="llama-3.2-3b-instruct")["models"][0]
    assert body == {
        **row,
        "created_at": "2024-12-01T10:00:00",
        "library_name": "mlx",
        "pipeline_tag": "text-generation",
        "system_compatible": True,
    }
    assert discover("models/mlx-community%2FLlama-3.2-3B-Instruct-4bit")["id"] == row["id"]


def test_a_model_for_another_framework_leads_to_its_mlx_version(discover: Discover) -> None:
    body = discover("models/meta-llama/Llama-3.2-3B-Instruct")
    assert (body["mlx_compatible"], body["has_mlx_version"]) == (False, True)
    assert body["mlx_repo_id"] == "mlx-community/Llama-3.2-3B-8bit"
    assert body["system_compatible"] is True


def test_a_model_that_is_too_large(discover: Discover, hub: HubListing) -> None:
    hub.models.append(listed("mlx-community/Giant-9000B-4bit"))
    body = discover("models/mlx-community/Giant-9000B-4bit")
    assert body["system_compatible"] is False
    message = body["compatibility_message"]
    assert message.startswith("❌ Insufficient memory - This model requires 5657.8GB but you have ")


def test_answers_are_kept(discover: Discover, hub: HubListing) -> None:
    first = discover("models", limit=2)
    asked = len(hub.requests)
    hub.models.clear()
    assert discover("models", limit=2) == discover("popular", limit=2) == first
    assert len(hub.requests) == asked
    assert ids(discover("models", query="else")) == []


def test_who_asks_the_same_at_once_waits_for_one_answer(discover: Discover, hub: HubListing) -> None:
    hub.go.clear()
    with ThreadPoolExecutor(5) as pool:
        answers = [pool.submit(discover, "popular", limit=1) for _ in range(5)]
        let_go = threading.Timer(0.5, hub.go.set)
        let_go.start()
        assert len({str(answer.result(60)) for answer in answers}) == 1
        let_go.join()
    assert len(hub.requests) == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("models?sort=magic", 400),
        ("models?limit=0", 400),
        ("models?limit=1000", 400),
        ("models?limit=many", 400),
        ("compatible?max_memory_gb=-1", 400),
        ("compatible?max_memory_gb=nan", 400),
        ("models/org/unknown", 404),
        ("models/no-organization", 404),
        ("models/../../etc/passwd", 404),
        ("models/org%2F..%2Fname", 404),
        ("telepathy", 404),
    ],
)
def test_wrong_questions(http: httpx.Client, path: str, status: int) -> None:
    answer = http.get(f"/v1/discover/{path}")
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"] == answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("status", "word"), [(500, "500"), (429, "too many"), (401, "HF_TOKEN"), (403, "HF_TOKEN")]
)
def test_a_hub_that_refuses(http: httpx.Client, hub: HubListing, status: int, word: str) -> None:
    hub.status = status
    for path in ("models", "categories", "models/org/name"):
        answer = http.get(f"/v1/discover/{path}")
        assert answer.status_code == 503, answer.text
        assert answer.json()["error"]["code"] == "hub_unavailable"
        assert word in answer.json()["detail"]
        assert "hf_secret" not in answer.text
        assert int(answer.headers["retry-after"]) > 0
    hub.status = None
    assert http.get("/v1/discover/models").status_code == 200, "a refusal is not kept"


@pytest.mark.parametrize("garbage", [b"<html>", b"[1, 2]", b'{"models": []}', b'[{"name": "no id"}]'])
def test_a_hub_that_talks_nonsense(http: httpx.Client, hub: HubListing, garbage: bytes) -> None:
    hub.garbage = garbage
    assert http.get("/v1/discover/models").status_code == 503


def test_offline_is_said_and_hurts_nothing_else(make_settings: MakeSettings, hub: HubListing) -> None:
    with HubListing() as gone:
        pass
    for settings in (make_settings(hf_endpoint=gone.url), make_settings(hf_hub_offline=True)):
        with ApiServer(settings) as api, httpx.Client(base_url=api.url) as http:
            for path in ("models", "popular", "categories", "embeddings", "compatible", "models/org/name"):
                answer = http.get(f"/v1/discover/{path}")
                assert answer.status_code == 503, path
                assert "model hub is" in answer.json()["detail"]
                assert gone.url not in answer.text
            assert http.get("/v1/models").status_code == 200
