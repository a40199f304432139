"""How long a model stays: as its caller asks, and switching back and forth leaves nothing behind."""

import statistics
from typing import Any

import httpx
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
