"""What answers to programs that know no model of ours: OpenAI's names and `default`, with a hub and without."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from config.settings import Settings
from jobs import keys
from jobs.kinds import DOWNLOADS, Category
from mlxq.catalog import local
from mlxq.catalog.families import kokoro
from tests.support.api_server import ApiServer
from tests.support.audio_samples import hum
from tests.support.empty_models import put_codec, weights
from tests.support.hub_listing import HubListing
from tests.support.jobs import waiting
from tests.support.openai_shape import check_shape
from tests.support.scripted_worker import Run, ScriptedWorker

HEARD: dict[str, Any] = {
    "text": "Good day.",
    "language": "en",
    "duration": 0.6,
    "segments": [],
    "words": [],
    "usage": {"seconds": 0.6},
}
#: OpenAI's names by what they are for.
PICTURES = ("dall-e-2", "dall-e-3", "gpt-image-1", "gpt-image-1-mini", "chatgpt-image-latest")
EARS = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "default", "")
MOUTHS = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts", "default")
VECTORS = ("text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002", "default")

Start = Callable[..., httpx.Client]


@pytest.fixture
def start(redis_url: str, clean_redis: redis.Redis, tmp_path: Path) -> Iterator[Start]:
    """A server that nobody has set up: no setting names a model. `models` are the folders of its root."""
    running: list[Any] = []

    def start(models: dict[str, dict[str, Any]] | None = None, **settings: Any) -> httpx.Client:
        root = tmp_path / "models"
        root.mkdir(exist_ok=True)
        for name, config in (models or {}).items():
            (root / name).mkdir(parents=True)
            (root / name / "config.json").write_text(json.dumps(config))
            (root / name / "model.safetensors").write_bytes(weights())
        values = {
            "redis_url": redis_url,
            "model_roots": (root,),
            "data_dir": tmp_path / "data",
            "hub_cache": tmp_path / "hub",
            "hf_endpoint": "http://127.0.0.1:1",
            **settings,
        }
        server = ApiServer(Settings.model_validate(values))
        client = httpx.Client(base_url=server.__enter__().url, timeout=60)
        running.extend([server, client])
        return client

    yield start
    for each in reversed(running):
        each.__exit__(None, None, None) if isinstance(each, ApiServer) else each.close()


@pytest.fixture
def hearer(redis_url: str, clean_redis: redis.Redis) -> Iterator[ScriptedWorker]:
    def hear(run: Run) -> None:
        run.end(result=HEARD)

    with ScriptedWorker(redis_url, default=hear, category=Category.ASR) as worker:
        yield worker


def transcribe(http: httpx.Client, model: str) -> httpx.Response:
    return http.post("/v1/audio/transcriptions", files={"file": hum()}, data={"model": model})


@pytest.mark.parametrize("name", PICTURES)
def test_no_picture_is_noise_under_a_real_models_name(name: str, start: Start) -> None:
    answer = start(hf_hub_offline=True).post(
        "/v1/images/generations", json={"model": name, "prompt": "A fox"}
    )
    check_shape("ErrorResponse", answer.json())
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert "`mlxq pull black-forest-labs/FLUX.2-klein-4B` (16 GB)" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("name", "noted"), [("default", True), (None, True), ("tiny-image", False)])
def test_the_random_model_answers_by_its_own_name_or_says_so(
    name: str | None, noted: bool, start: Start
) -> None:
    body = {"prompt": "A fox", "background": True, **({"model": name} if name else {})}
    answer = start().post("/v1/images/generations", json=body)
    assert answer.status_code == 202, answer.text
    assert ("'tiny-image' answered, its pictures are random" in answer.headers.get("warning", "")) is noted


def test_an_installed_model_is_what_openais_names_mean(start: Start, tmp_path: Path) -> None:
    parts: dict[str, dict[str, Any]] = {
        "model_index.json": {"_class_name": "ZImagePipeline"},
        **{f"{part}/config.json": {} for part in ("transformer", "text_encoder", "vae")},
        **{f"tokenizer/{name}.json": {} for name in ("tokenizer", "tokenizer_config")},
        "scheduler/scheduler_config.json": {},
    }
    for folder in (tmp_path / "models" / "paints", tmp_path / "models" / "half"):
        for file, content in parts.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(json.dumps(content))
    for part in ("transformer", "text_encoder", "vae"):
        (tmp_path / "models" / "paints" / part / "model.safetensors").write_bytes(weights())
    http = start(
        {
            "hears": {"model_type": "whisper"},
            "speaks": {"model_type": "qwen3_tts"},
            "embeds": {"model_type": "bert"},
        }
    )
    put_codec(tmp_path / "models" / "speaks")
    listed = {row["id"]: row for row in http.get("/v1/models", params={"aliases": True}).json()["data"]}
    for names, model in (
        (PICTURES, "paints"),
        (EARS[:3], "hears"),
        (MOUTHS[:3], "speaks"),
        (VECTORS[:3], "embeds"),
    ):
        for name in names:
            assert listed[name]["root"] == model, name
            assert listed[name]["type"] == listed[model]["type"]
            assert http.get(f"/v1/models/{name}").json()["id"] == model
    assert listed["default"]["root"] == "tiny-chat"
    for row in listed.values():
        check_shape("Model", {key: row[key] for key in ("id", "object", "created", "owned_by")})
    plain = http.get("/v1/models").json()
    assert {row["id"] for row in plain["data"]} == {row["root"] for row in listed.values()} | {"half"}
    assert plain["models"] == http.get("/v1/models?aliases=true").json()["models"]


@pytest.mark.parametrize("name", MOUTHS)
def test_who_asks_for_speech_learns_which_model_to_fetch(name: str, start: Start) -> None:
    answer = start(hf_hub_offline=True).post("/v1/audio/speech", json={"model": name, "input": "Hello."})
    assert answer.status_code == 404
    assert "`mlxq pull mlx-community/Qwen3-TTS-12Hz-0.6B-Base-bf16` (2.5 GB)" in answer.json()["detail"]


def test_who_asks_for_vectors_learns_which_model_to_fetch(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The model that a package of the development environment brings is not there.
    monkeypatch.setattr(local, "shipped_folder", lambda name: None)
    http = start(hf_hub_offline=True)
    for name in VECTORS:
        answer = http.post("/v1/embeddings", json={"model": name, "input": "Hello."})
        assert answer.status_code == 404
        assert "`mlxq pull mlx-community/all-MiniLM-L6-v2-4bit`" in answer.json()["detail"]


@pytest.mark.parametrize(
    "settings", [{}, {"hf_hub_offline": True}, {"auto_download": False}], ids=["unplugged", "offline", "off"]
)
def test_a_machine_without_a_hub_hears_by_what_comes_along(
    settings: dict[str, Any], start: Start, hearer: ScriptedWorker
) -> None:
    http = start(**settings)
    for name in EARS:
        answer = transcribe(http, name)
        assert answer.status_code == 200, answer.text
        assert "'tiny-whisper' answered" in answer.headers["warning"]
        assert "mlxq pull mlx-community/whisper-tiny" in answer.headers["warning"]
    assert "warning" not in transcribe(http, "tiny-whisper").headers
    assert {run.claim.model for run in hearer.runs} == {"tiny-whisper"}


def test_with_a_hub_the_real_model_is_fetched_first(
    start: Start, hearer: ScriptedWorker, clean_redis: redis.Redis
) -> None:
    with HubListing() as hub:
        http = start(hf_endpoint=hub.url)
        answer = http.post(
            "/v1/audio/transcriptions",
            files={"file": hum()},
            data={"model": "whisper-1", "background": "true"},
        )
        assert answer.status_code == 202
        assert "'mlx-community/whisper-tiny' answers in place of 'whisper-1'" in answer.headers["warning"]
    (download,) = waiting(clean_redis, DOWNLOADS)
    assert clean_redis.hget(keys.job(download), "mlxq_model") == b"mlx-community/whisper-tiny"


def test_the_setting_comes_before_all(start: Start, hearer: ScriptedWorker) -> None:
    http = start({"a": {"model_type": "whisper"}, "z": {"model_type": "whisper"}}, asr_model="z")
    for name in EARS:
        assert transcribe(http, name).status_code == 200
    assert {run.claim.model for run in hearer.runs} == {"z"}


def test_a_hub_that_is_out_of_reach_is_asked_once_a_minute(start: Start) -> None:
    """It hangs: what waits for it waits once."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        http = start(hf_endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}")
        body = {"model": "org/model", "messages": [{"role": "user", "content": "Hi"}]}
        first = http.post("/v1/chat/completions", json=body)
        answers = [
            first,
            http.post("/v1/chat/completions", json=body),
            http.post("/v1/audio/speech", json={"model": "org/voice", "input": "Hi."}),
            http.post("/v1/models/load", json={"model": "org/model"}),
            http.get("/v1/discover/models"),
        ]
        silent.settimeout(0.1)
        silent.accept()[0].close()
        with pytest.raises(TimeoutError):
            silent.accept()
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "hub_unavailable"), answer.text
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert answer.headers["x-should-retry"] == "false"
    assert "'org/model' is not installed" in first.json()["detail"]


@pytest.mark.parametrize("name", ["kokoro", "mlx-community/Kokoro-82M-bf16"])
@pytest.mark.parametrize("settings", [{}, {"auto_download": False}, {"hf_hub_offline": True}])
def test_what_lacks_libraries_is_said_before_it_is_fetched(
    name: str, settings: dict[str, Any], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kokoro, "can_speak", lambda: False)
    answer = start(**settings).post("/v1/audio/speech", json={"model": name, "input": "Hello."})
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "not_supported")
    assert "requirements-kokoro.lock" in answer.json()["detail"]


def test_kokoro_is_a_name_for_whichever_is_here(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kokoro, "can_speak", lambda: True)
    http = start({"my-voices": {"istftnet": {}, "plbert": {}}})
    assert http.get("/v1/models/kokoro").json()["id"] == "my-voices"
