"""Background tasks stand still for others, and go on as if nobody had come between."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlx_lm.generate import BatchGenerator

from config.settings import REPO, Settings
from jobs.blobs import LocalBlobs
from mlxq.catalog import ModelRef
from tests.support.checkpoints import random_qwen3
from tests.support.events import plain
from tests.support.image_checkpoints import random_z_image
from tests.support.payloads import typed
from worker.engines import ENGINES
from worker.engines.base import Alive, Done, Engine, Failed, Output, Progress, YieldingEngine
from worker.engines.llm import chat
from worker.engines.llm.rows import batch
from worker.engines.llm.rows.reading import YIELD

#: Rows of a batch.
PLACES = 3


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_qwen3(tmp_path_factory.mktemp("way") / "model", seed=5)


@pytest.fixture
def engine(
    model: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[chat.ChatEngine]:
    if getattr(request, "param", "batch") == "solo":
        monkeypatch.setattr(chat, "_can_batch", lambda model: False)
    made = chat.load(ModelRef("model", model), Settings(batch_size=PLACES))
    yield made
    made.close()


def asked(text: str = "Tell me a story.", tokens: int = 24, **fields: Any) -> Any:
    messages = [{"role": "user", "content": text}]
    return typed({"messages": messages, "temperature": 0, "max_tokens": tokens, "ignore_eos": True, **fields})


def _tells_length(output: Output) -> bool:
    """Whether it says how long an answer is, which it does now and then also of one that stands still."""
    return isinstance(output, Progress) and output.unit == "tokens"


class Shown:
    """An engine, and what it says of each task, step by step."""

    def __init__(self, engine: Engine[Any]) -> None:
        self.engine = engine
        self.results: dict[str, dict[str, Any]] = {}
        #: the steps in which each task has made something
        self.made: dict[str, list[int]] = {}
        self.steps = 0

    def add(self, task: str, payload: Any, *, background: bool = False) -> None:
        if background:
            assert isinstance(self.engine, YieldingEngine)
            self.engine.give_way(task)
        self.engine.add(task, payload, 7)

    def step(self) -> None:
        self.steps += 1
        for output in self.engine.step():
            assert not isinstance(output, Failed), output.error
            if isinstance(output, Done):
                self.results[output.task_id] = plain(output.result)
            if not isinstance(output, Alive) and not _tells_length(output):
                self.made.setdefault(output.task_id, []).append(self.steps)
        self.engine.tidy()

    def until_done(self, *tasks: str) -> None:
        while not set(tasks) <= self.results.keys():
            self.step()
            assert self.steps < 3000

    def until_made(self, *tasks: str, times: int = 1) -> None:
        while any(len(self.made.get(task, [])) < times for task in tasks):
            self.step()
            assert self.steps < 3000


def alone(engine: Engine[Any], payload: Any, name: str = "alone") -> Any:
    shown = Shown(engine)
    shown.add(name, payload)
    shown.until_done(name)
    return shown.results[name]["choices"]


HOW: list[dict[str, Any]] = [{}, {"temperature": 1.0, "seed": 3}, {"n": 2, "temperature": 0.8, "seed": 4}]


@pytest.mark.parametrize("engine", ["batch", "solo"], indirect=True)
@pytest.mark.parametrize("how", HOW, ids=["greedy", "seeded", "choices"])
def test_a_chat_that_was_set_aside_goes_on_where_it_stopped(
    engine: chat.ChatEngine, how: dict[str, Any]
) -> None:
    payload = asked("Tell me of the sea.", 40, **how)
    whole = alone(engine, payload)
    shown = Shown(engine)
    background = [f"background {number}" for number in range(PLACES // how.get("n", 1))]
    for name in background:
        shown.add(name, payload, background=True)
    shown.until_made(background[0], times=3)
    urgent = [f"urgent {number}" for number in range(PLACES)]
    for name in urgent:
        shown.add(name, asked(f"{name}?", 12))
    shown.until_done(*urgent)
    assert not set(background) & shown.results.keys()
    shown.until_done(*background)
    for name in background:
        assert shown.results[name]["choices"] == whole


def test_only_as_many_stand_still_as_places_are_needed(engine: chat.ChatEngine) -> None:
    shown = Shown(engine)
    names = [f"background {number}" for number in range(PLACES)]
    for name in names:
        shown.add(name, asked(name, 300), background=True)
    shown.until_made(*names, times=3)
    began = shown.steps
    shown.add("urgent", asked("Now?", 20))
    shown.until_done("urgent")
    first = shown.made["urgent"][0]
    assert first - began <= 5, "a place is made at once"
    during = {name: sum(first < step < shown.steps for step in shown.made[name]) for name in names}
    assert during[names[-1]] == 0, "the newest stands still"
    assert min(during[name] for name in names[:-1]) > 3, "the others go on"
    shown.until_made(names[-1], times=len(shown.made[names[-1]]) + 1)


def test_a_first_token_waits_for_no_step_of_the_background(engine: chat.ChatEngine) -> None:
    """Neither for those that decode, nor for those whose prompts wait to be read."""
    whole = {text: alone(engine, asked(text, 30), text) for text in ("Now?", "Tell me of the sea.")}
    shown = Shown(engine)
    shown.add("background", asked("Tell me of the sea.", 30), background=True)
    shown.until_made("background", times=3)
    shown.add("next", asked("And of the land.", 30), background=True)
    shown.add("urgent", asked("Now?", 30))
    before = shown.steps
    shown.step()
    assert shown.made["urgent"][:1] == [before + 1]
    assert shown.made["background"][-1] == before
    assert "next" not in shown.made
    shown.until_done("urgent", "background", "next")
    assert shown.results["urgent"]["choices"] == whole["Now?"]
    assert shown.results["background"]["choices"] == whole["Tell me of the sea."]


def test_a_request_is_set_aside_although_some_of_its_choices_have_no_place_yet(
    engine: chat.ChatEngine,
) -> None:
    payload = asked("Tell me of the sea.", 60, n=8, temperature=0.8, seed=4)
    whole = alone(engine, payload)
    shown = Shown(engine)
    shown.add("background", payload, background=True)
    shown.until_made("background", times=3)
    shown.add("urgent", asked("other " * 300, 12))
    shown.until_done("urgent")
    assert shown.made["background"][-1] <= shown.made["urgent"][0]
    shown.until_done("background")
    assert shown.results["background"]["choices"] == whole


def test_a_request_that_stands_still_is_removed_whole(engine: chat.ChatEngine) -> None:
    """Whether its choices decode, or wait for a place."""
    alone_urgent = alone(engine, asked("other " * 300, 12))
    shown = Shown(engine)
    shown.add("background", asked("Tell me of the sea.", 60, n=8, temperature=0.8, seed=4), background=True)
    shown.until_made("background", times=3)
    shown.add("urgent", asked("other " * 300, 12))
    shown.until_made("urgent")
    engine.remove("background")
    shown.until_done("urgent")
    assert shown.results["urgent"]["choices"] == alone_urgent
    steps = shown.steps
    shown.add("next", asked("Now?", 5))
    shown.until_done("next")
    assert shown.steps - steps < 20
    assert "background" not in shown.results


def test_those_that_are_not_in_the_background_are_never_set_aside(engine: chat.ChatEngine) -> None:
    shown = Shown(engine)
    names = [f"normal {number}" for number in range(PLACES)]
    for name in names:
        shown.add(name, asked(name, 30))
    shown.until_made(*names, times=2)
    shown.add("one more", asked("Me too.", 5))
    shown.until_done(*names)
    steps = [step for name in names for step in shown.made[name][:29]]
    assert max(steps) - min(steps) < 60
    shown.until_done("one more")


def test_one_that_is_removed_while_it_stands_still_leaves_nothing(engine: chat.ChatEngine) -> None:
    shown = Shown(engine)
    for number in range(PLACES):
        shown.add(f"background {number}", asked("Tell me.", 60), background=True)
    shown.until_made("background 2", times=2)
    shown.add("urgent", asked("Now?", 10))
    shown.until_made("urgent")
    engine.remove("background 2")
    shown.until_done("urgent", "background 0", "background 1")
    assert "background 2" not in shown.results
    assert shown.engine.step() == []


def test_a_long_prompt_of_the_background_is_read_after_one_that_is_urgent(engine: chat.ChatEngine) -> None:
    shown = Shown(engine)
    shown.add("background", asked("word " * 600, 4), background=True)
    shown.add("urgent", asked("other " * 500, 4))
    shown.until_done("urgent")
    assert "background" not in shown.results
    shown.until_done("background")


def test_short_prompts_of_the_background_take_a_part_of_the_time_beside_others(
    engine: chat.ChatEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step takes a second here."""
    now = 0.0
    step = BatchGenerator.next

    def steps(generator: BatchGenerator) -> Any:
        nonlocal now
        now += 1
        return step(generator)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(BatchGenerator, "next", steps)
    monkeypatch.setattr(batch, "time", SimpleNamespace(monotonic=lambda: now))
    shown = Shown(engine)
    shown.add("urgent", asked("Now?", 40))
    shown.until_made("urgent")
    names = [f"background {number}" for number in range(4)]
    for name in names:
        shown.add(name, asked(name, 3), background=True)
    shown.until_made(names[0])
    shown.add("next", asked("And now?", 40))
    began = shown.steps
    shown.until_done("urgent", "next", *names)
    assert shown.made["next"][0] - began <= 3, "others do not wait"
    firsts = [shown.made[name][0] for name in names]
    assert min(after - before for before, after in pairwise(firsts)) >= YIELD
    assert firsts[-1] < shown.made["urgent"][-1], "the background goes on"


def engine_of(category: str, root: Path, name: str, data: Path) -> tuple[Any, LocalBlobs]:
    settings = Settings(model_roots=(root,), data_dir=data)
    engine = ENGINES[category](ModelRef(name, root / name), settings)  # type: ignore[index]
    return engine, LocalBlobs(settings.blob_folder)


def test_a_picture_waits_between_two_steps(tmp_path: Path) -> None:
    random_z_image(tmp_path / "models" / "zimage")
    engine, blobs = engine_of("image", tmp_path / "models", "zimage", tmp_path / "data")
    slow = typed({"prompt": "a sea", "width": 32, "height": 32, "steps": 6, "seed": 1})
    fast = typed({"prompt": "a tree", "width": 32, "height": 32, "steps": 2, "seed": 2})

    def pixels(shown: Shown, task: str) -> bytes:
        return blobs.read(shown.results[task]["images"][0]["blob"])

    by_itself = Shown(engine)
    by_itself.add("slow", slow)
    by_itself.until_done("slow")
    shown = Shown(engine)
    shown.add("background", slow, background=True)
    shown.until_made("background", times=2)
    shown.add("urgent", fast)
    shown.until_done("urgent")
    assert "background" not in shown.results
    between = [step for step in shown.made["background"] if step > shown.made["urgent"][0]]
    assert not between, "it stands still"
    shown.until_done("background")
    assert pixels(shown, "background") == pixels(by_itself, "slow")
    engine.close()


def test_a_recording_waits_between_two_windows(tmp_path: Path) -> None:
    engine, blobs = engine_of("asr", REPO / "models", "tiny-whisper", tmp_path / "data")
    sound = (REPO / "tests" / "data" / "speech" / "digits.flac").read_bytes()
    payload = typed({"audio": blobs.put(sound)})
    shown = Shown(engine)
    shown.add("background", payload, background=True)
    shown.add("urgent", payload)
    shown.until_done("urgent", "background")
    assert shown.made["urgent"][-1] < shown.made["background"][-1]
    assert shown.results["urgent"]["text"] == shown.results["background"]["text"] != ""
    engine.close()
