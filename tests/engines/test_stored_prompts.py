"""A prompt that an earlier process has read is loaded from the disk: the answer is the same, and it comes sooner."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlx.core as mx
import psutil
import pytest

from config.settings import Settings
from mlxq.catalog import ModelRef
from mlxq.catalog.stored_prompts import folder_of_prompts, forget_prompts
from tests.support.checkpoints import random_qwen3
from tests.support.family_checkpoints import family_checkpoint
from tests.support.payloads import typed
from tests.support.steps import results
from tests.support.waits import wait_for
from worker.engines.base import Delta
from worker.engines.llm import chat
from worker.engines.llm.rows import reading

LENGTH = 1700
LONG = "".join(chr(97 + n * n % 26) for n in range(LENGTH))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("stored")
    random_qwen3(root / "one", seed=5)
    random_qwen3(root / "two", seed=6)
    for family in ("minicpm-sala", "llama4"):
        family_checkpoint(root / family, family)
    return root


Engines = Callable[..., Any]


@pytest.fixture
def engine(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engines:
    """An engine as a process has it, for as long as the process lives."""
    # A disk may be slow: all that waits is written at the end.
    monkeypatch.setattr("worker.engines.llm.prefill.LAST_WRITES", 60.0)

    @contextmanager
    def made(model: str = "one", **settings: Any) -> Iterator[chat.ChatEngine]:
        options: dict[str, Any] = {"data_dir": tmp_path, "prompt_cache_disk_gb": 1, **settings}
        engine = chat.load(ModelRef(model, models / model), Settings(**options))
        try:
            yield engine
        finally:
            engine.close()

    return made


def chat_of(text: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 8, **fields}


def answer(engine: chat.ChatEngine, payload: dict[str, Any]) -> dict[str, Any]:
    return results(engine, {"asked": payload})["asked"]


def cached(result: dict[str, Any]) -> int:
    tokens: int = result["usage"]["cached_tokens"]
    return tokens


def test_the_next_process_answers_the_same_and_reads_little(engine: Engines) -> None:
    with engine() as first:
        answer(first, chat_of(LONG))
    with engine(prompt_cache_disk_gb=0) as without:
        expected = answer(without, chat_of(LONG + " and more"))
    with engine() as second:
        found = answer(second, chat_of(LONG + " and more"))
    assert found["choices"] == expected["choices"]
    assert cached(expected) == 0
    assert cached(found) > 0.85 * LENGTH


@pytest.mark.filterwarnings("ignore:`rope_scaling` is deprecated:FutureWarning")
@pytest.mark.parametrize("model", ["minicpm-sala", "llama4"])
def test_a_model_whose_cache_can_not_be_cut_goes_on_where_it_was(engine: Engines, model: str) -> None:
    def ask(tokens: list[int], **fields: Any) -> dict[str, Any]:
        return {"prompts": [tokens], "temperature": 0, "max_tokens": 8, **fields}

    tokens = [7 + number * number % 200 for number in range(LENGTH)]
    more = [*tokens, 9, 8, 7]
    with engine(model) as first:
        answer(first, ask(tokens, max_tokens=1, logit_bias={"9": 100}))
    with engine(model, prompt_cache_disk_gb=0) as without:
        expected = answer(without, ask(more))
    with engine(model) as second:
        found = answer(second, ask(more))
    assert found["choices"] == expected["choices"]
    assert cached(found) == LENGTH + 1


def test_a_model_that_leaves_takes_its_threads_along(engine: Engines) -> None:
    def threads() -> int:
        # MLX starts the thread of every stream by then, also of one whose user has ended.
        mx.clear_cache()
        count: int = psutil.Process().num_threads()
        return count

    def use() -> None:
        with engine() as loaded:
            answer(loaded, chat_of(LONG))

    use()
    before = threads()
    for _ in range(3):
        use()
    wait_for(lambda: threads() <= before)


def test_models_that_take_turns_keep_their_prompts(engine: Engines) -> None:
    for model in ("one", "two"):
        with engine(model) as first:
            assert cached(answer(first, chat_of(LONG))) == 0
    for model in ("one", "two"):
        with engine(model) as again:
            assert cached(answer(again, chat_of(LONG))) > 0.85 * LENGTH


def test_several_answers_to_a_stored_prompt(engine: Engines) -> None:
    with engine() as first:
        answer(first, chat_of(LONG))
    with engine() as second:
        result = answer(second, chat_of(LONG, n=3))
    assert len({choice["text"] for choice in result["choices"]}) == 1
    assert cached(result) > 0.85 * LENGTH


def test_another_decodes_while_a_prompt_is_loaded_or_leaves(
    engine: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.engines.llm.prompt_cache.disk_loading._STEP_BYTES", 1)
    with engine() as first:
        answer(first, chat_of(LONG))
    with engine() as second:
        second.add("short", typed(chat_of("Hello", max_tokens=400)), 1)
        while not any(isinstance(output, Delta) for output in second.step()):
            pass
        second.add("leaves", typed(chat_of(LONG)), 1)
        second.step()
        second.remove("leaves")
        second.add("long", typed(chat_of(LONG)), 1)
        said: list[str] = []
        while not said or said[-1] != "long":
            said += [output.task_id for output in second.step() if isinstance(output, Delta)]
        assert said.count("short") > 2
        assert "leaves" not in said
        second.remove("long")
        second.remove("short")


def test_what_memory_holds_is_not_loaded(engine: Engines, tmp_path: Path) -> None:
    with engine() as first:
        answer(first, chat_of(LONG))
        first.tidy()
        for path in folder_of_prompts(tmp_path).rglob("*.safetensors"):
            path.write_bytes(b"")
        assert cached(answer(first, chat_of(LONG))) > 0.99 * LENGTH


def test_a_damaged_prompt_is_read_again_from_there(engine: Engines, tmp_path: Path) -> None:
    with engine() as first:
        expected = answer(first, chat_of(LONG))
    (block,) = folder_of_prompts(tmp_path).rglob("00000768-*.safetensors")
    block.write_bytes(block.read_bytes()[:-9])
    with engine() as second:
        found = answer(second, chat_of(LONG))
    assert found["choices"] == expected["choices"]
    assert cached(found) == 512


def test_prompts_are_stored_without_a_cache_in_memory(engine: Engines) -> None:
    with engine(prompt_cache_mb=0) as first:
        answer(first, chat_of(LONG))
    with engine(prompt_cache_mb=0) as second:
        assert cached(answer(second, chat_of(LONG))) > 0.85 * LENGTH


def test_short_prompts_and_those_of_a_deleted_model_are_not_stored(engine: Engines, tmp_path: Path) -> None:
    with engine() as first:
        answer(first, chat_of(LONG[:900]))
    assert not folder_of_prompts(tmp_path).exists()
    with engine() as first:
        answer(first, chat_of(LONG))
    assert list(folder_of_prompts(tmp_path).rglob("*.safetensors"))
    forget_prompts(tmp_path, "one")
    assert not list(folder_of_prompts(tmp_path).rglob("*.safetensors"))


def test_other_weights_in_the_same_folder_find_nothing(engine: Engines, models: Path) -> None:
    with engine("two") as first:
        answer(first, chat_of(LONG))
    weights = models / "two" / "model.safetensors"
    before = weights.read_bytes()
    try:
        weights.write_bytes((models / "one" / "model.safetensors").read_bytes())
        with engine("two") as second:
            assert cached(answer(second, chat_of(LONG))) == 0
    finally:
        weights.write_bytes(before)


def test_a_prompt_that_a_stop_cuts_short_goes_on_in_the_next_process(
    engine: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST", LENGTH // 8)
    monkeypatch.setattr(reading, "SMALLEST", LENGTH // 8)
    with engine() as first:
        first.add("cut", typed(chat_of(LONG)), seed=1)
        for _ in range(7):
            assert not any(isinstance(output, Delta) for output in first.step())
    with engine() as second:
        assert cached(answer(second, chat_of(LONG))) > 0.7 * LENGTH


def test_what_a_process_had_read_when_it_was_killed_is_not_read_again(
    engine: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.engines.llm.rows.reading.LARGEST", 128)
    with engine(prompt_cache_disk_gb=0) as without:
        expected = answer(without, chat_of(LONG))
    with engine() as first:
        first.add("cut", typed(chat_of(LONG)), 1)
        unread = LENGTH
        while unread > LENGTH // 3:
            first.step()
            unread = sum(first._tasks["cut"].unread.values())
        disk = first._prefill._disk
        assert disk.wait(60)
        # A kill: nothing is kept of what runs, and nothing more is written.
        first._tasks.clear()
        disk.drop_waiting()
    with engine() as second:
        found = answer(second, chat_of(LONG))
    assert found["choices"] == expected["choices"]
    assert cached(found) >= 1024 > LENGTH - unread - 512


@pytest.mark.parametrize("broken", ["Format.fits", "Assembly.add_tokens", "Assembly.layers"])
def test_no_request_fails_because_of_the_disk(
    engine: Engines, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr("worker.engines.llm.rows.reading.LARGEST", 600)
    with engine() as first:
        expected = answer(first, chat_of(LONG))
    monkeypatch.setattr(f"worker.engines.llm.prompt_cache.disk_layers.{broken}", fail)
    with engine() as second:
        assert answer(second, chat_of(LONG))["choices"] == expected["choices"]
        answer(second, chat_of("." + LONG))
