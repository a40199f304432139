"""The API of llama.cpp's server: `/completion`, `/slots`, and what is refused.

What tokenizers answer is in tests/clients/test_llamacpp.py.
"""

import json
from typing import Any

import httpx

from jobs.errors import ContextLengthExceeded, EngineFailure
from tests.support.scripted_worker import Run, ScriptedWorker


def events(http: httpx.Client, body: dict[str, Any]) -> list[Any]:
    """The data of a stream."""
    with http.stream("POST", "/completion", json={**body, "stream": True}) as answer:
        assert answer.status_code == 200, answer.read()
        return [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]


def heard(http: httpx.Client, worker: ScriptedWorker, **fields: Any) -> dict[str, Any]:
    """What the engine gets."""
    answer = http.post("/completion", json={"prompt": "Hello", **fields})
    assert answer.status_code == 200, answer.text
    assert "warning" not in answer.headers
    return dict(worker.runs[-1].payload)


def test_a_prompt_is_continued_by_the_default_model(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(lambda run: run.answer({"text": "Hi", "stop": "END"}))
    answer = http.post("/completion", json={"prompt": "Hello"}).json()
    assert worker.runs[-1].claim.model == "tiny"
    timings = answer.pop("timings")
    assert answer == {
        "index": 0,
        "content": "Hi",
        "tokens": [],
        "stop": True,
        "id_slot": 0,
        "model": "tiny",
        "tokens_predicted": 3,
        "tokens_evaluated": 7,
        "tokens_cached": 2,
        "stop_type": "word",
        "stopping_word": "END",
        "truncated": False,
    }
    assert (timings["prompt_n"], timings["cache_n"], timings["predicted_n"]) == (5, 2, 3)
    assert (timings["prompt_ms"], timings["predicted_per_second"]) == (500, 2)


def test_a_stream_ends_with_its_last_event(http: httpx.Client, worker: ScriptedWorker) -> None:
    def play(run: Run) -> None:
        run.say("One ", "two")
        run.complete("One two three", finish_reason="length")

    worker.play(play)
    *pieces, last = events(http, {"prompt": "Count"})
    assert "".join(each["content"] for each in pieces) == "One two three"
    assert [each["stop"] for each in pieces] == [False] * len(pieces)
    assert (last["stop"], last["content"], last["stop_type"]) == (True, "", "limit")
    assert last["tokens_predicted"] == 3


def test_options_reach_the_engine(http: httpx.Client, worker: ScriptedWorker) -> None:
    payload = heard(
        http,
        worker,
        n_predict=12,
        temperature=0.5,
        top_k=5,
        top_p=0.9,
        min_p=0.1,
        repeat_penalty=1.1,
        repeat_last_n=64,
        presence_penalty=0.5,
        frequency_penalty=0.25,
        seed=7,
        stop=["END"],
        ignore_eos=True,
        logit_bias=[[3, 1.5], [4, False]],
        cache_prompt=True,
        id_slot=-1,
        mirostat=0,
        mirostat_tau=5.0,
        typical_p=1,
        dry_multiplier=0,
        n_probs=0,
        return_tokens=False,
        lora=[],
        grammar="",
        json_schema=None,
    )
    assert payload == {
        "prompts": ["Hello"],
        "max_tokens": 12,
        "temperature": 0.5,
        "top_k": 5,
        "top_p": 0.9,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "repetition_context_size": 64,
        "presence_penalty": 0.5,
        "presence_context_size": 64,
        "frequency_penalty": 0.25,
        "frequency_context_size": 64,
        "seed": 7,
        "stop": ["END"],
        "ignore_eos": True,
        "logit_bias": {"3": 1.5, "4": -100.0},
    }


def test_numbers_that_mean_none(http: httpx.Client, worker: ScriptedWorker) -> None:
    payload = heard(http, worker, n_predict=-1, seed=-1, temperature=-1.0, stop=[])
    assert payload == {"prompts": ["Hello"], "max_tokens": -1, "temperature": 0.0}
    assert "seed" not in heard(http, worker, seed=2**32 - 1)
    assert heard(http, worker, n_predict=-2, max_tokens=5)["max_tokens"] == -1


def test_one_number_says_how_far_back_penalties_look(http: httpx.Client, worker: ScriptedWorker) -> None:
    given = {"repeat_penalty": 1.1, "presence_penalty": 0.5, "frequency_penalty": 0.25}
    off = heard(http, worker, repeat_last_n=0, **given)
    assert off == {
        "prompts": ["Hello"],
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
    }
    everything = heard(http, worker, repeat_last_n=-1, **given)
    windows = [everything[f"{each}_context_size"] for each in ("repetition", "presence", "frequency")]
    assert windows == [2**31 - 1] * 3


def test_what_is_asked_for_in_vain_is_named(http: httpx.Client, worker: ScriptedWorker) -> None:
    vain = {"mirostat": 2, "typical_p": 0.5, "n_probs": 3, "return_tokens": True, "samplers": ["top_k"]}
    answer = http.post("/completion", json={"prompt": "Hello", "max_tokens": 5, "min_keep": None, **vain})
    assert answer.status_code == 200, answer.text
    named = "mirostat, n_probs, return_tokens, samplers, typical_p"
    assert answer.headers["warning"] == f'299 mlxq "ignored fields: {named}"'
    assert worker.runs[-1].payload == {"prompts": ["Hello"], "max_tokens": 5}


def test_prompts_may_be_tokens(http: httpx.Client, worker: ScriptedWorker) -> None:
    worker.play(*[lambda run: run.complete("x")] * 2)
    assert heard(http, worker, prompt=[1, 2, 3])["prompts"] == [[1, 2, 3]]
    assert heard(http, worker, prompt=[[1, 2]])["prompts"] == [[1, 2]]
    assert heard(http, worker, prompt=["Hello"])["prompts"] == ["Hello"]


def test_slots_tell_what_runs(http: httpx.Client, worker: ScriptedWorker) -> None:
    slots = http.get("/slots").json()
    assert len(slots) == 32
    assert {(each["n_ctx"], each["is_processing"], each["id_task"]) for each in slots} == {(4096, False, -1)}

    def play(run: Run) -> None:
        run.until_cancelled()
        run.cancelled()

    worker.play(play)
    accepted = http.post("/completion", json={"prompt": "x"}, headers={"prefer": "respond-async"}).json()
    assert worker.claimed.acquire(timeout=60)
    assert [each["is_processing"] for each in http.get("/slots").json()] == [True] + [False] * 31
    http.post(f"/v1/jobs/{accepted['id']}/cancel")


def test_errors_are_llama_cpps(http: httpx.Client, worker: ScriptedWorker) -> None:
    missing = http.post("/completion", json={"prompt": "x", "model": "nope"})
    assert missing.json()["error"]["code"] == missing.status_code == 404
    assert missing.json()["error"]["type"] == "not_found_error"
    worker.play(lambda run: run.fail(ContextLengthExceeded("Too long.")))
    answer = http.post("/completion", json={"prompt": "x"})
    assert answer.json() == {
        "error": {"code": 400, "message": "Too long.", "type": "exceed_context_size_error"}
    }

    def play(run: Run) -> None:
        run.say("Half of")
        run.fail(EngineFailure("The model failed."))

    worker.play(play)
    *_, last = events(http, {"prompt": "y"})
    assert last["error"]["message"] == "The model failed."


CONTENT = {"content": "x"}
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}
BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "no prompt": ("completion", {}),
    "prompt is a number": ("completion", {"prompt": 3}),
    "prompt is an object": ("completion", {"prompt": {"prompt_string": "x"}}),
    "no tokens": ("completion", {"prompt": []}),
    "token below 0": ("completion", {"prompt": [-1]}),
    "token is a truth": ("completion", {"prompt": [True]}),
    "several prompts": ("completion", {"prompt": ["x", "y"]}),
    "tokens and texts": ("completion", {"prompt": [1, "x"]}),
    "n_predict": ("completion", {"prompt": "x", "n_predict": -3}),
    "n_predict is text": ("completion", {"prompt": "x", "n_predict": "all"}),
    "temperature": ("completion", {"prompt": "x", "temperature": 9}),
    "top_p": ("completion", {"prompt": "x", "top_p": 2}),
    "top_k": ("completion", {"prompt": "x", "top_k": 1.5}),
    "repeat_penalty": ("completion", {"prompt": "x", "repeat_penalty": 0}),
    "stop is text": ("completion", {"prompt": "x", "stop": "END"}),
    "empty stop": ("completion", {"prompt": "x", "stop": [""]}),
    "stream is text": ("completion", {"prompt": "x", "stream": "yes"}),
    "seed": ("completion", {"prompt": "x", "seed": "x"}),
    "grammar": ("completion", {"prompt": "x", "grammar": "root ::= x"}),
    "json_schema": ("completion", {"prompt": "x", "json_schema": {"type": "object"}}),
    "logit_bias of words": ("completion", {"prompt": "x", "logit_bias": [["word", 1]]}),
    "logit_bias of one": ("completion", {"prompt": "x", "logit_bias": [[1]]}),
    "logit_bias is a number": ("completion", {"prompt": "x", "logit_bias": 1}),
    "logit_bias too large": ("completion", {"prompt": "x", "logit_bias": [[1, 900]]}),
    "empty model": ("completion", {"prompt": "x", "model": ""}),
    "no content": ("tokenize", {}),
    "content is a number": ("tokenize", {"content": 3}),
    "content too long": ("tokenize", {"content": "x" * 250_001}),
    "content too long for pieces": ("tokenize", {"content": "x" * 50_001, "with_pieces": True}),
    "add_special is text": ("tokenize", {**CONTENT, "add_special": "yes"}),
    "with_pieces is a number": ("tokenize", {**CONTENT, "with_pieces": 1}),
    "no tokens at all": ("detokenize", {}),
    "tokens is text": ("detokenize", {"tokens": "x"}),
    "token is text": ("detokenize", {"tokens": ["x"]}),
    "token is negative": ("detokenize", {"tokens": [-1]}),
    "too many tokens": ("detokenize", {"tokens": [1] * 250_001}),
    "no messages": ("apply-template", {}),
    "empty messages": ("apply-template", {"messages": []}),
    "role": ("apply-template", {"messages": [{"role": "wizard", "content": "x"}]}),
    "tools": ("apply-template", {**HELLO, "tools": {}}),
    "model is a number": ("apply-template", {**HELLO, "model": 3}),
}


def test_bad_input_is_refused_in_llama_cpps_shape(http: httpx.Client) -> None:
    for name, (path, body) in BAD.items():
        answer = http.post(f"/{path}", json=body)
        assert answer.status_code == 400, (name, answer.text)
        error = answer.json()["error"]
        assert (error["code"], error["type"]) == (400, "invalid_request_error"), name
    for query in ("model=", "fail_on_no_slot=maybe"):
        assert http.get(f"/slots?{query}").status_code == 400
    assert http.get("/props?model=nope").json()["error"]["type"] == "not_found_error"
