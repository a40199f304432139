"""`/v1/models/{name}/generate` as MLX-GUI documents it."""

from typing import Any

import httpx
import pytest

from jobs.kinds import Kind
from tests.api.test_bad_input import check
from tests.support.scripted_worker import ScriptedWorker

TINY = "/v1/models/tiny/generate"
DEFAULTS = {
    "max_tokens": 8192,
    "temperature": 0.0,
    "top_p": 1.0,
    "top_k": 0,
    "repetition_penalty": 1.0,
    "repetition_context_size": 20,
}


@pytest.fixture
def loaded(worker: ScriptedWorker) -> ScriptedWorker:
    worker.announce(model="tiny", state="loaded")
    return worker


def test_the_answer_has_mlx_guis_shape(http: httpx.Client, loaded: ScriptedWorker) -> None:
    loaded.play(lambda run: run.answer({"text": " upon a time", "finish_reason": "length"}))
    answer = http.post(TINY, json={"prompt": "Once"})
    assert answer.headers["x-request-id"].startswith("gen-")
    assert answer.json() == {
        "model": "tiny",
        "prompt": "Once",
        "text": " upon a time",
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        "timing": {"generation_time_seconds": 1.5, "tokens_per_second": 2.0},
    }
    (run,) = loaded.runs
    assert (run.claim.kind, run.claim.model) == (Kind.COMPLETION, "tiny")


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"seed": None, "max_tokens": None},
        {"max_tokens": 16384, "temperature": 0.7, "top_p": 0.9, "top_k": 5, "seed": 3},
        {"repetition_penalty": 1.2, "repetition_context_size": 64},
    ],
)
def test_mlx_guis_defaults_hold(http: httpx.Client, loaded: ScriptedWorker, said: dict[str, Any]) -> None:
    http.post(TINY, json={"prompt": "Once", **said}).raise_for_status()
    given = {key: value for key, value in said.items() if value is not None}
    assert loaded.runs[0].payload == {"prompts": ["Once"], **DEFAULTS, **given}


def test_a_model_that_is_not_loaded_is_not_loaded_for_it(http: httpx.Client, loaded: ScriptedWorker) -> None:
    error = check(http.post("/v1/models/org/other/generate", json={"prompt": "Once"}))
    how = "Load it first with POST /v1/models/org/other/load"
    assert error["message"] == f"Model 'org/other' is not loaded. {how}"
    assert error["code"] == "model_not_loaded"
    loaded.announce(model="tiny", state="loading")
    still = check(http.post(TINY, json={"prompt": "Once"}))
    assert still["message"].startswith("Model 'tiny' is not loaded. Load it first")
    assert loaded.runs == []


@pytest.mark.parametrize("name", ["nix", "org%2Fnix", "..%2Ftiny", "%00"])
def test_unknown_models(http: httpx.Client, loaded: ScriptedWorker, name: str) -> None:
    error = check(http.post(f"/v1/models/{name}/generate", json={"prompt": "Once"}), 404)
    assert error["code"] == "model_not_found"


@pytest.mark.parametrize(
    "path", ["/models/tiny/generate", "/v1/models/tiny/generate/", "/v1/models/default/generate"]
)
def test_paths_and_names(http: httpx.Client, loaded: ScriptedWorker, path: str) -> None:
    answer = http.post(path, json={"prompt": "Once"}).raise_for_status().json()
    assert answer["text"] == "Once"


def test_generating_in_the_background(http: httpx.Client, loaded: ScriptedWorker) -> None:
    accepted = http.post(TINY, json={"prompt": "Once"}, headers={"prefer": "respond-async"})
    assert accepted.status_code == 202
    job = http.get(f"/v1/jobs/{accepted.json()['id']}?wait=20").json()
    assert (job["status"], job["kind"], job["result"]["text"]) == ("completed", "generate", "Once")


BAD: list[tuple[dict[str, Any], str]] = [
    ({"prompt": None}, "prompt"),
    ({"prompt": ""}, "prompt"),
    ({"prompt": ["a"]}, "prompt"),
    ({"max_tokens": 16385}, "max_tokens"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"temperature": -1}, "temperature"),
    ({"top_p": 1.5}, "top_p"),
    ({"top_k": -2}, "top_k"),
    ({"repetition_penalty": 0}, "repetition_penalty"),
    ({"repetition_context_size": 0}, "repetition_context_size"),
    ({"seed": "a"}, "seed"),
]


@pytest.mark.parametrize(("fields", "param"), BAD, ids=[str(f) for f, _ in BAD])
def test_bad_input(http: httpx.Client, loaded: ScriptedWorker, fields: dict[str, Any], param: str) -> None:
    assert check(http.post(TINY, json={"prompt": "Once", **fields}))["param"] == param
    assert loaded.runs == []
