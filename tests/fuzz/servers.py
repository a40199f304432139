"""Good bodies of the APIs of other local servers: LM Studio's, llama.cpp's, and those of rerankers."""

from random import Random
from typing import Any

from tests.fuzz.bodies import CHAT, chat, completion

#: A name that a model that ranks could have: none is there.
RANKER = "ranker"


def lmstudio_chat(rng: Random) -> dict[str, Any]:
    return chat(rng) | rng.choice(({}, {"ttl": 60}, {"repeat_penalty": 1.1}, {"ttl": "5m", "stream": True}))


def lmstudio_prompt(rng: Random) -> dict[str, Any]:
    return completion(rng) | rng.choice(({}, {"ttl": 60}, {"repeat_penalty": 1.1}))


def lmstudio_load(rng: Random) -> dict[str, Any]:
    return {"model": rng.choice((CHAT, "none")), "echo_load_config": rng.choice((True, False))}


def lmstudio_unload(rng: Random) -> dict[str, Any]:
    return {"instance_id": rng.choice((RANKER, "none"))}


def llama_prompt(rng: Random) -> dict[str, Any]:
    body: dict[str, Any] = {"prompt": rng.choice(("Hi", [1, 2])), "n_predict": rng.randrange(1, 4)}
    extras: tuple[dict[str, Any], ...] = (
        {},
        {"stream": True, "stop": ["x"]},
        {"logit_bias": [[3, 1.5], [4, False]]},
        {"repeat_penalty": 1.1, "repeat_last_n": -1, "seed": -1},
        {"xtc_probability": 0.1, "xtc_threshold": 0.6, "temperature": -1.0},
        {"samplers": ["top_k"], "mirostat": 2, "cache_prompt": True},
    )
    return body | rng.choice(extras)


def llama_text(rng: Random) -> dict[str, Any]:
    switches = ("with_pieces", "parse_special", "add_special")
    text = rng.choice(("Hi", "🦊<|im_end|>", ""))
    return {"content": text, **{switch: rng.choice((True, False)) for switch in switches}}


def llama_tokens(rng: Random) -> dict[str, Any]:
    return {"tokens": [rng.randrange(300) for _ in range(rng.randrange(5))]}


def ranks(rng: Random) -> dict[str, Any]:
    body: dict[str, Any] = {"query": "x", "model": rng.choice((RANKER, "default", "rerank-v3.5", CHAT))}
    if rng.random() < 0.4:
        switches = ("raw_scores", "return_text", "truncate")
        return body | {"texts": ["a", "b" * 200], **{each: rng.choice((True, False)) for each in switches}}
    body["documents"] = rng.choice((["a", "b"], [{"text": "a", "title": "t"}], ["a" * 400, ""]))
    return body | rng.choice(
        ({}, {"top_n": 1}, {"max_tokens_per_doc": 2}, {"return_documents": False}, {"instruction": "i"})
    )
