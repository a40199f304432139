"""The vision engine, step by step: reading pictures neither stops nor harms those who are being answered."""

from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import mlx.core as mx
import psutil
import pytest

from config.settings import Settings
from jobs.blobs import LocalBlobs
from mlxq.catalog import ModelRef
from tests.support.images import encoded, picture
from tests.support.payloads import typed
from tests.support.steps import result_of, until_ended
from tests.support.vision_checkpoints import random_gemma3, random_qwen3_vl
from tests.support.waits import wait_for
from worker.engines.base import Delta, Failed, Output, Progress
from worker.engines.llm import request
from worker.engines.llm.chat import ChatEngine
from worker.engines.llm.rows import reading
from worker.engines.llm.vision import engine as vision
from worker.guard import pictures


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_qwen3_vl(tmp_path_factory.mktemp("models") / "eyes", seed=3)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def engine(folder: Path, settings: Settings) -> Iterator[ChatEngine]:
    engine = vision.load(ModelRef("eyes", folder), settings)
    yield engine
    engine.close()


@pytest.fixture
def image(settings: Settings) -> dict[str, str]:
    return {"type": "image", "blob": LocalBlobs(settings.blob_folder).put(encoded(picture()))}


def payload(content: Any, tokens: int = 20) -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": content}],
        "max_tokens": tokens,
        "temperature": 0,
        "ignore_eos": True,
    }


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def prefill_of(engine: ChatEngine) -> vision.ImagePrefill:
    assert isinstance(engine._prefill, vision.ImagePrefill)
    return engine._prefill


def answer(end: Output) -> str:
    said: str = result_of(end)["choices"][0]["text"]
    return said


def test_others_decode_while_a_long_prompt_with_a_picture_is_read(
    engine: ChatEngine, image: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST", 50)
    engine.add("short", typed(payload("hello", tokens=100)), 0)
    while not any(isinstance(each, Delta) for each in engine.step()):
        pass
    (decoding,) = engine._tasks["short"].sequences
    engine.add("long", typed(payload([image, text("x" * 300)])), 0)
    wait([prepared for *_, prepared in engine._preparation._asked.values()])
    before, steps = decoding.tokens, 1
    while not (news := [each for each in engine.step() if each.task_id == "long"]):
        steps += 1
    assert steps > 4
    assert decoding.tokens == before + steps
    assert not isinstance(news[0], Failed)
    assert until_ended(engine, "short").keys() >= {"short"}


def test_a_vision_model_that_leaves_takes_its_threads_along(
    folder: Path, settings: Settings, image: dict[str, str]
) -> None:
    def threads() -> int:
        # MLX starts the thread of every stream by then, also of one whose user has ended.
        mx.clear_cache()
        count: int = psutil.Process().num_threads()
        return count

    def use() -> None:
        engine = vision.load(ModelRef("eyes", folder), settings)
        engine.add("asked", typed(payload([image, text("What is this?")])), 0)
        answer(until_ended(engine, "asked")["asked"])
        engine.close()

    use()
    before = threads()
    for _ in range(3):
        use()
    wait_for(lambda: threads() <= before)


def test_who_leaves_while_it_is_read_leaves_nothing_behind(engine: ChatEngine, image: dict[str, str]) -> None:
    story = payload([text("What is this?"), image])
    engine.add("first", typed(story), 0)
    alone = answer(until_ended(engine, "first")["first"])
    engine.add("leaves", typed(payload([image, text("x" * 1500)])), 0)
    engine.add("stays", typed(story), 0)
    engine.step()
    engine.remove("leaves")
    assert answer(until_ended(engine, "stays")["stays"]) == alone
    prefill = prefill_of(engine)
    assert not prefill._keys


def test_a_prompt_with_a_picture_goes_on_where_it_was_cut(
    engine: ChatEngine, image: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = payload([image, text("x" * 600)])
    engine.add("whole", typed(long), 0)
    expected = answer(until_ended(engine, "whole")["whole"])
    engine.clear_cache()
    monkeypatch.setattr(reading, "LARGEST", 50)
    monkeypatch.setattr(request, "REPORT_EVERY", 0.0)
    engine.add("cut", typed(long), 0)
    while not any(isinstance(each, Progress) and each.done >= 300 for each in engine.step()):
        pass
    engine.remove("cut")
    engine.add("again", typed(long), 0)
    end = until_ended(engine, "again")["again"]
    assert answer(end) == expected
    assert result_of(end)["usage"]["cached_tokens"] >= 300


def test_a_cache_that_can_not_be_cut_goes_on_after_a_picture(
    tmp_path: Path, settings: Settings, image: dict[str, str]
) -> None:
    engine = vision.load(ModelRef("window", random_gemma3(tmp_path / "window", seed=3)), settings)
    turns = [{"role": "user", "content": [image, text("What " * 60)]}]
    engine.add("first", typed({**payload(""), "messages": turns}), 0)
    until_ended(engine, "first")
    # The answer is not what the model has said.
    turns += [{"role": "assistant", "content": "It is red."}, {"role": "user", "content": "Why? " * 40}]
    ends = []
    for _ in range(2):
        engine.add("second", typed({**payload(""), "messages": turns}), 0)
        ends.append(until_ended(engine, "second")["second"])
        engine.clear_cache()
    warm, cold = ends
    assert answer(warm) == answer(cold)
    assert result_of(warm)["usage"]["cached_tokens"] > 250
    engine.close()


def test_a_prompt_with_a_picture_is_stored_for_the_next_process(
    folder: Path, settings: Settings, image: dict[str, str], tmp_path: Path
) -> None:
    stored = settings.model_copy(update={"prompt_cache_disk_gb": 1.0})

    def ask(words: str, settings: Settings) -> Output:
        engine = vision.load(ModelRef("eyes", folder), settings)
        engine.add("asked", typed(payload([image, text("x" * 1200 + words)])), 0)
        end = until_ended(engine, "asked")["asked"]
        engine.close()
        return end

    ask("", stored)
    found = ask(" and more", stored)
    assert result_of(found)["usage"]["cached_tokens"] >= 1024
    assert answer(found) == answer(ask(" and more", settings))


def test_pictures_that_the_model_fails_on_fail_their_request_alone(
    engine: ChatEngine, image: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.add("neighbour", typed(payload("hello", tokens=40)), 0)
    alone = answer(until_ended(engine, "neighbour")["neighbour"])

    def poisoned(*_: Any, **__: Any) -> Any:
        raise FloatingPointError("a poisoned picture")

    with monkeypatch.context() as patch:
        patch.setattr(type(prefill_of(engine)._model), "get_input_embeddings", poisoned)
        engine.add("neighbour", typed(payload("hello", tokens=40)), 0)
        engine.step()
        engine.add("poisoned", typed(payload([image])), 0)
        ends = until_ended(engine, "neighbour", "poisoned")
    assert isinstance(ends["poisoned"], Failed)
    assert ends["poisoned"].error.code == "engine_error"
    assert answer(ends["neighbour"]) == alone
    engine.add("healthy", typed(payload([image])), 0)
    assert answer(until_ended(engine, "healthy")["healthy"])


def test_the_weights_of_the_sight_count_too(engine: ChatEngine, folder: Path) -> None:
    weights = (folder / "model.safetensors").stat().st_size
    assert 0.9 * weights < engine.memory_bytes <= weights


def test_images_that_have_too_many_pixels_together_are_made_smaller(engine: ChatEngine) -> None:
    reader: Any = engine._reader
    files = [encoded(picture(seed, width=80, height=60)) for seed in (1, 2, 3)]
    assert [each.size for each in reader._images(files)] == [(80, 60)] * 3
    reader._max_pixels = 80 * 60
    small = reader._images(files)
    assert sum(each.width * each.height for each in small) <= reader._max_pixels
    assert len({each.tobytes() for each in small}) == 3


def test_pictures_are_not_scaled_to_any_size_that_a_model_names(
    settings: Settings, tmp_path: Path, image: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = vision.load(ModelRef("window", random_gemma3(tmp_path / "window", seed=3)), settings)
    seen = [text("What is it?"), image]
    monkeypatch.setattr(pictures, "MOST_SCALED", 2 * 56 * 56)
    engine.add("one", typed(payload(seen, tokens=2)), seed=1)
    engine.add("many", typed(payload([*seen, image, image], tokens=2)), seed=1)
    engine.add("next", typed(payload(seen, tokens=2)), seed=1)
    ended = until_ended(engine, "one", "many", "next")
    engine.close()
    assert [name for name, end in ended.items() if isinstance(end, Failed)] == ["many"]
