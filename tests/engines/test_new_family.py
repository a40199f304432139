"""A family of models that speak is two files and a row, as docs/recipes.md says: here it is added, and speaks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import mlx.core as mx
import pytest
import redis

from config.settings import Settings
from mlxq.catalog.families import table
from mlxq.testing import in_process_worker
from tests.support.api_server import ApiServer
from tests.support.audio_samples import samples_of
from tests.support.chirp_engine import SAMPLES, Network
from tests.support.chirp_family import CHIRP

VOICES = ["robin", "wren"]
TEXT = "Good day."


def random_chirp(folder: Path, width: int = 16) -> Path:
    """Its config.json names no type: the family is recognised by a key of its own."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"chirp_width": width, "voices": VOICES}))
    mx.random.seed(5)
    network: Any = Network(width, VOICES)
    network.save_weights(str(folder / "model.safetensors"))
    return folder


@pytest.fixture
def http(
    redis_url: str, clean_redis: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[httpx.Client]:
    monkeypatch.setattr(table, "FAMILIES", (CHIRP, *table.FAMILIES))
    random_chirp(tmp_path / "models" / "birds")
    settings = Settings(
        redis_url=redis_url,
        model_roots=(tmp_path / "models",),
        data_dir=tmp_path / "data",
        llm_model="none-at-start",
        tts_model="birds",
        auto_download=False,
    )
    with (
        in_process_worker(settings),
        ApiServer(settings) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        yield client


def say(http: httpx.Client, **fields: object) -> httpx.Response:
    return http.post("/v1/audio/speech", json={"input": TEXT, "response_format": "wav", **fields})


def test_a_new_family_is_found_listed_and_spoken_with(http: httpx.Client) -> None:
    listed = {row["id"]: row["type"] for row in http.get("/v1/models?aliases=true").json()["data"]}
    assert (listed["birds"], listed["chirp"]) == ("tts", "tts")
    assert [voice["name"] for voice in http.get("/v1/voices").json()["voices"]] == VOICES

    said = {name: say(http, model=name, voice="wren") for name in ("birds", "chirp", "tts-1")}
    assert {answer.status_code for answer in said.values()} == {200}, said["birds"].text
    assert len({answer.content for answer in said.values()}) == 1
    samples = samples_of(said["birds"].content)
    assert len(samples) == SAMPLES * len(TEXT)
    assert abs(samples).max() > 0.01
    assert say(http, voice="robin").content != say(http, voice="wren").content
    assert say(http).content == say(http, voice="robin").content

    answer = say(http, voice="crow")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_voice")
    assert "robin, wren" in answer.json()["detail"]

    warned = say(http, voice="wren", language="en", instructions="Softly.")
    assert warned.content == said["birds"].content
    assert "'instructions' has no effect" in warned.headers["warning"]
    assert "'language'" not in warned.headers["warning"]
