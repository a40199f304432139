"""Names that programs have written into them: what answers, by what is set, installed and within reach."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from config.settings import Settings
from jobs import keys
from jobs.kinds import DOWNLOADS, Category
from mlxq.catalog.service_names import service_category
from tests.support.api_server import ApiServer
from tests.support.audio_samples import hum
from tests.support.empty_models import put_codec, weights
from tests.support.hub_listing import HubListing
from tests.support.jobs import waiting
from tests.support.scripted_worker import ScriptedWorker

NAMES = {
    Category.LLM: (
        *(
            "gpt-4o",
            "gpt-4o-mini",
            "gpt-3.5-turbo",
            "gpt-5.1-codex",
            "chatgpt-4o-latest",
            "o1",
            "o3-mini",
            "o4-mini",
        ),
        *("claude-sonnet-4-5", "claude-3-5-haiku-latest", "gemini-2.5-pro", "GPT-4.1", "openai/gpt-4o"),
    ),
    Category.ASR: ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize"),
    Category.TTS: ("tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gemini-2.5-flash-preview-tts"),
    Category.IMAGE: ("gpt-image-1", "dall-e-2", "dall-e-3", "chatgpt-image-latest", "gemini-2.5-flash-image"),
    Category.EMBEDDING: ("text-embedding-3-small", "text-embedding-ada-002", "gemini-embedding-001"),
}
ALL = [(category, name) for category, names in NAMES.items() for name in names]
#: A model of each category, by its config.json, and one that comes before it in the alphabet.
MODELS = {
    Category.LLM: ("chats", {"model_type": "qwen3"}),
    Category.ASR: ("hears", {"model_type": "whisper"}),
    Category.TTS: ("speaks", {"model_type": "qwen3_tts"}),
    Category.EMBEDDING: ("embeds", {"model_type": "bert"}),
}
PAINTER: dict[str, dict[str, Any]] = {
    "model_index.json": {"_class_name": "ZImagePipeline"},
    **{f"{part}/config.json": {} for part in ("transformer", "text_encoder", "vae")},
    **{f"tokenizer/{name}.json": {} for name in ("tokenizer", "tokenizer_config")},
    "scheduler/scheduler_config.json": {},
}

Start = Callable[..., httpx.Client]


@pytest.fixture
def start(redis_url: str, clean_redis: redis.Redis, tmp_path: Path) -> Iterator[Start]:
    """A server for which only these settings are made."""
    running: list[Any] = []

    def start(*models: str, **settings: Any) -> httpx.Client:
        for prefix in models:
            put_models(tmp_path / "models", prefix)
        values = {
            "redis_url": redis_url,
            "model_roots": (tmp_path / "models",),
            "data_dir": tmp_path / "data",
            "hub_cache": tmp_path / "hub",
            "hf_endpoint": "http://127.0.0.1:1",
            "memory_budget_gb": 12,
            **settings,
        }
        server = ApiServer(Settings.model_validate(values))
        client = httpx.Client(base_url=server.__enter__().url, timeout=60)
        running.extend([server, client])
        return client

    yield start
    for each in reversed(running):
        each.__exit__(None, None, None) if isinstance(each, ApiServer) else each.close()


def put_models(root: Path, prefix: str) -> None:
    """One model of each category, whose name begins so."""
    for name, config in MODELS.values():
        folder = root / f"{prefix}{name}"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "model.safetensors").write_bytes(weights())
    put_codec(root / f"{prefix}speaks")
    for file, content in PAINTER.items():
        path = root / f"{prefix}paints" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    for part in ("transformer", "text_encoder", "vae"):
        (root / f"{prefix}paints" / part / "model.safetensors").write_bytes(weights())


def ask(http: httpx.Client, category: Category, name: str) -> httpx.Response:
    """A job in the background, so that no model has to run."""
    body: dict[str, Any] = {"model": name, "background": True}
    match category:
        case Category.LLM:
            said = {"messages": [{"role": "user", "content": "Hi"}]}
            return http.post("/v1/chat/completions", json={**body, **said})
        case Category.EMBEDDING:
            return http.post("/v1/embeddings", json={**body, "input": "Hi"})
        case Category.TTS:
            return http.post("/v1/audio/speech", json={**body, "input": "Hi"})
        case Category.IMAGE:
            return http.post("/v1/images/generations", json={**body, "prompt": "A fox"})
        case _:
            data = {"model": name, "background": "true"}
            return http.post("/v1/audio/transcriptions", files={"file": hum()}, data=data)


def answering(http: httpx.Client, store: redis.Redis, category: Category, name: str) -> str:
    """The model of the job, which the response names in a warning."""
    answer = ask(http, category, name)
    assert answer.status_code == 202, (name, answer.text)
    assert answer.json()["model"] == name
    model: Any = store.hget(keys.job(answer.json()["id"]), "mlxq_model")
    warning = answer.headers["warning"]
    assert f"'{model.decode()}' answer" in warning, name
    assert f"in place of '{name}'" in warning
    return str(model.decode())


def test_names_say_what_they_are_for() -> None:
    for category, name in ALL:
        assert service_category(name) is category, name
    for name in (
        "gpt-oss-20b",
        "gpt2",
        "gpt-j-6b",
        "qwen3",
        "tiny-chat",
        "org/gpt-4o",
        "o",
        "olmo",
        "whisper-large-v3",
    ):
        assert service_category(name) is None, name


def test_the_setting_answers(start: Start, clean_redis: redis.Redis) -> None:
    settings = {f"{category}_model": f"z-{name}" for category, (name, _) in MODELS.items()}
    http = start("a-", "z-", **settings, image_model="z-paints")
    wanted = {category: f"z-{name}" for category, (name, _) in MODELS.items()} | {Category.IMAGE: "z-paints"}
    for category, name in ALL:
        assert answering(http, clean_redis, category, name) == wanted[category]


def test_else_what_is_installed_answers(start: Start, clean_redis: redis.Redis) -> None:
    http = start("a-")
    wanted = {category: f"a-{name}" for category, (name, _) in MODELS.items()} | {Category.IMAGE: "a-paints"}
    for category, name in ALL:
        assert answering(http, clean_redis, category, name) == wanted[category]


@pytest.mark.parametrize(
    "broken", [b"\x02" + bytes(7) + b"{}", bytes(8), b"\x04" + bytes(7) + b"[[[["], ids=str
)
def test_what_has_no_weights_answers_none(
    start: Start, clean_redis: redis.Redis, tmp_path: Path, broken: bytes
) -> None:
    put_models(tmp_path / "models", "a-")
    for file in (tmp_path / "models").rglob("*.safetensors"):
        file.write_bytes(broken)
    http = start("b-")
    for category, (name, _) in MODELS.items():
        names = [each for of, each in ALL if of is category]
        assert answering(http, clean_redis, category, names[0]) == f"b-{name}"


def test_else_what_suits_the_memory_is_fetched(start: Start, clean_redis: redis.Redis) -> None:
    wanted = {
        Category.LLM: "mlx-community/Qwen3-8B-4bit",
        Category.ASR: "mlx-community/whisper-tiny",
        Category.TTS: "mlx-community/Qwen3-TTS-12Hz-0.6B-Base-bf16",
        Category.IMAGE: "black-forest-labs/FLUX.2-klein-4B",
        Category.EMBEDDING: "mlx-community/all-MiniLM-L6-v2-4bit",
    }
    with HubListing() as hub:
        http = start(hf_endpoint=hub.url)
        for category, name in ALL:
            assert answering(http, clean_redis, category, name) == wanted[category]
        listed = http.get("/v1/jobs", params={"limit": 100}).json()["data"]
        larger = start(hf_endpoint=hub.url, memory_budget_gb=40)
        assert answering(larger, clean_redis, Category.IMAGE, "dall-e-3") == "Tongyi-MAI/Z-Image-Turbo"
        assert "Qwen3-30B-A3B" in answering(larger, clean_redis, Category.LLM, "gpt-4o")
    fetched = [row["model"] for row in listed if row["kind"] == "download"]
    assert sorted(fetched) == sorted(wanted.values()), "each is fetched once, by a job that is seen"
    assert len(waiting(clean_redis, DOWNLOADS)) == len(wanted) + 2


@pytest.mark.parametrize("settings", [{"hf_hub_offline": True}, {"auto_download": False}, {}], ids=str)
def test_without_a_hub_what_comes_along_answers(
    start: Start, clean_redis: redis.Redis, settings: dict[str, bool]
) -> None:
    http = start(**settings)
    for category, name in ALL:
        if category is Category.LLM:
            assert answering(http, clean_redis, category, name) == "tiny-chat"
        elif category is Category.ASR:
            assert answering(http, clean_redis, category, name) == "tiny-whisper"
        elif category is Category.EMBEDDING:
            # A package of the development environment brings it.
            assert answering(http, clean_redis, category, name) == "all-MiniLM-L6-v2"
        else:
            answer = ask(http, category, name)
            error = answer.json()["error"]
            if settings:
                assert (answer.status_code, error["code"]) == (404, "model_not_found"), name
                assert "mlxq pull" in error["message"]
            else:
                assert (answer.status_code, error["code"]) == (503, "hub_unavailable"), name


def test_strict_refuses_them_in_each_dialect(start: Start) -> None:
    settings = {f"{category}_model": f"a-{name}" for category, (name, _) in MODELS.items()}
    http = start("a-", strict=True, **settings, image_model="a-paints")
    for category, name in ALL:
        answer = ask(http, category, name)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found"), name
        assert "STRICT" in answer.json()["error"]["message"]
    messages = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}
    answer = http.post("/v1/messages", json=messages)
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")
    answer = http.post("/v1/responses", json={"model": "gpt-4o", "input": "Hi"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    for path in ("/api/chat", "/api/show"):
        answer = http.post(path, json=messages)
        assert (answer.status_code, answer.json()) == (404, {"error": "model 'gpt-4o' not found"})
    assert http.get("/v1/models/gpt-4o").status_code == 404
    assert "whisper-1" not in http.get("/v1/models?aliases=true").text
    assert ask(http, Category.LLM, "a-chats").status_code == 202


def test_an_installed_model_of_that_name_comes_first(
    start: Start, tmp_path: Path, clean_redis: redis.Redis
) -> None:
    put_models(tmp_path / "models", "a-")
    (tmp_path / "models" / "a-chats").rename(tmp_path / "models" / "gpt-4o")
    (tmp_path / "models" / "a-hears").rename(tmp_path / "models" / "whisper-1")
    http = start(llm_model="gpt-4o", strict=True)
    for category, name in ((Category.LLM, "gpt-4o"), (Category.ASR, "whisper-1")):
        answer = ask(http, category, name)
        assert answer.status_code == 202, answer.text
        assert "warning" not in answer.headers


def test_the_model_that_answers_is_not_deleted_by_such_a_name(start: Start) -> None:
    http = start("a-")
    for name in ("gpt-4o", "whisper-1", "dall-e-3"):
        assert http.delete(f"/v1/models/{name}").status_code == 404
    there = {row["id"] for row in http.get("/v1/models").json()["data"]}
    assert {"a-chats", "a-hears", "a-paints"} <= there


def test_every_dialect_says_what_answered(start: Start, redis_url: str, clean_redis: redis.Redis) -> None:
    http = start("a-")
    hello = [{"role": "user", "content": "Hi"}]
    bodies: dict[str, dict[str, Any]] = {
        "/v1/chat/completions": {"messages": hello},
        "/v1/completions": {"prompt": "Hi"},
        "/v1/messages": {"messages": hello, "max_tokens": 9},
        "/v1/responses": {"input": "Hi"},
        "/api/chat": {"messages": hello},
        "/api/generate": {"prompt": "Hi"},
    }
    with ScriptedWorker(redis_url) as worker:
        for path, body in bodies.items():
            for streamed in (False, True):
                answer = http.post(path, json={"model": "claude-sonnet-4-5", "stream": streamed, **body})
                assert answer.status_code == 200, answer.text
                assert "'a-chats' answers in place of 'claude-sonnet-4-5'" in answer.headers["warning"], path
                assert "a-chats" not in answer.text
                assert "claude-sonnet-4-5" in answer.text, "the model has the name that was asked for"
        assert {run.claim.model for run in worker.runs} == {"a-chats"}
    answer = http.post("/v1/responses", json={"model": "gpt-4o", "input": "Hi", "background": True})
    assert "'a-chats' answers in place of 'gpt-4o'" in answer.headers["warning"]
