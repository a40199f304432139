"""How long a model stays: as its caller asks, and switching back and forth leaves nothing behind."""

import statistics
from datetime import UTC, datetime
from typing import Any

import httpx
import ollama
import pytest

from tests.support.system import System
from tests.system.test_models import HELLO, active_memory, loaded


def ask(system: System, model: str, **options: Any) -> httpx.Response:
    body = {"model": model, "messages": HELLO, "max_tokens": 2, **options}
    return system.http.post("/v1/chat/completions", json=body)


def test_a_model_goes_as_soon_as_its_caller_says(system: System) -> None:
    assert ask(system, "org/second", keep_alive=0).status_code == 200
    system.wait_until(lambda: loaded(system) != "org/second", "the model is still loaded")
    assert ask(system, "org/second").status_code == 200
    assert loaded(system) == "org/second"


def test_an_empty_request_of_ollama_says_how_long_a_model_stays(
    system: System, ollamas: ollama.Client
) -> None:
    def load(keep_alive: object) -> float:
        """Seconds that the model stays, as `ollama ps` shows them."""
        asked = {"model": "org/second", "keep_alive": keep_alive, "stream": False}
        assert system.http.post("/api/generate", json=asked).json()["done_reason"] == "load"
        running = ollamas.ps().models
        (until,) = (each.expires_at for each in running if each.model == "org/second")
        assert until is not None
        return (until - datetime.now(UTC)).total_seconds()

    assert 0 < load(None) <= 1800
    assert 1800 < load("1h") <= 3600
    assert load(-1) > 1e9
    assert ask(system, "org/second").status_code == 200
    assert load(None) > 1e9
    load("100ms")
    system.wait_until(lambda: loaded(system) != "org/second", "the model is still loaded")


def test_ollamas_clients_see_how_long_a_load_and_the_work_took(
    system: System, ollamas: ollama.Client
) -> None:
    def durations() -> tuple[int, int, int]:
        """In nanoseconds: all of it, of that the load, and the work."""
        told = ollamas.generate("org/second", "Hello", options={"num_predict": 8})
        work = (told.prompt_eval_duration or 0) + (told.eval_duration or 0)
        return told.total_duration or 0, told.load_duration or 0, work

    system.http.post("/v1/models/unload", json={"model_type": "llm"}).raise_for_status()
    total, load, work = durations()
    assert load > 0
    assert work > 0
    assert total >= load + work
    total, load, work = durations()
    assert load == 0
    assert total >= work > 0


def test_lm_studios_clients_see_how_long_a_load_took(system: System) -> None:
    def load() -> float:
        answer = system.http.post("/api/v1/models/load", json={"model": "org/second"})
        return float(answer.raise_for_status().json()["load_time_seconds"])

    system.http.post("/v1/models/unload", json={"model_type": "llm"}).raise_for_status()
    assert load() > 0
    assert load() == 0


@pytest.mark.parametrize("keep_alive", ["5m", "24h", -1, 300, "300", "10.5s", "100ms"])
def test_durations_are_said_as_to_ollama(system: System, keep_alive: object) -> None:
    assert ask(system, "first", keep_alive=keep_alive).status_code == 200


@pytest.mark.parametrize("keep_alive", ["soon", "", "5 minutes", [], True, {}, "1e9h"])
def test_what_is_no_duration_is_refused(system: System, keep_alive: object) -> None:
    answer = ask(system, "first", keep_alive=keep_alive)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "keep_alive"


@pytest.mark.slow
def test_switching_a_hundred_times_leaves_nothing_behind(system: System) -> None:
    held = []
    for number in range(100):
        assert ask(system, ("first", "org/second")[number % 2]).status_code == 200
        if number % 10 == 9:
            system.http.post("/v1/models/unload", json={"model_type": "llm"}).raise_for_status()
            held.append(active_memory(system))
    slope = statistics.linear_regression(range(len(held)), held).slope
    print(
        f"active memory {held[0]} B after 10 switches, {held[-1]} B after {number + 1}: {slope / 10:.1f} B each"
    )
    # Bytes for ten switches; one of these models has 400,000.
    assert abs(slope) < 4000, held
