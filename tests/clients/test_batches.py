"""Batches with the official SDKs against all processes and real models: what they answer is what a client gets."""

import base64
import json
import time
from typing import Any

import anthropic
import pytest

from tests.support.batches import chats, ended, line, rows, start, vectors
from tests.support.images import encoded, picture
from tests.support.minilm import NAME as MINILM
from tests.support.openai_shape import check_shape
from tests.support.system import System

PNG = base64.b64encode(encoded(picture(1, 32, 16))).decode()
ASK: Any = [{"role": "user", "content": "What is the capital of Italy?"}]
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "CreateChatCompletionResponse": (
        "/v1/chat/completions",
        {"model": "default", "messages": ASK, "temperature": 0, "max_tokens": 9},
    ),
    "CreateCompletionResponse": (
        "/v1/completions",
        {"model": "default", "prompt": "Once", "temperature": 0, "max_tokens": 4},
    ),
    "Response": (
        "/v1/responses",
        {"model": "default", "input": "Hello", "temperature": 0, "max_output_tokens": 4, "store": False},
    ),
    "CreateEmbeddingResponse": ("/v1/embeddings", {"model": MINILM, "input": ["one", "two"]}),
    "ImagesResponse": (
        "/v1/images/generations",
        {"model": "tiny-image", "prompt": "A fox", "size": "32x16", "steps": 1, "seed": 3},
    ),
    "an edit": (
        "/v1/images/edits",
        {"model": "tiny-image", "prompt": "A fox", "image": PNG, "steps": 1, "seed": 3},
    ),
}
#: What differs between two answers to the same request.
_FREE = ("id", "created", "created_at", "completed_at", "usage")


def plain(body: Any) -> Any:
    """An answer without its ids and times."""
    if isinstance(body, list):
        return [plain(each) for each in body]
    if isinstance(body, dict):
        return {name: plain(each) for name, each in body.items() if name not in (*_FREE, "url")}
    return body


@pytest.mark.parametrize("name", BODIES)
def test_a_request_is_answered_as_its_own_route_does(tiny: System, name: str) -> None:
    path, body = BODIES[name]
    live = tiny.http.post(path, json=body).raise_for_status().json()
    with tiny.openai() as sdk:
        batch = ended(sdk, start(sdk, [line("one", body, path)], path))
        (row,) = rows(sdk, batch.output_file_id)
    answer = row["response"]["body"]
    assert plain(answer) == plain(live)
    if "images" in path:
        (image,) = answer["data"]
        assert tiny.http.get(image.pop("url")).status_code == 200
        assert image["b64_json"]
        # OpenAI's own models make no small images.
        answer["size"] = "1024x1024"
    check_shape("ImagesResponse" if "images" in path else name, answer)


def test_vectors_of_many_texts(tiny: System) -> None:
    with tiny.openai() as sdk:
        batch = ended(sdk, start(sdk, vectors(40, MINILM), "/v1/embeddings"))
        found = {row["custom_id"]: row for row in rows(sdk, batch.output_file_id)}
        assert len(found) == 40
        one = sdk.embeddings.create(model=MINILM, input="Number 7", encoding_format="float")
        told = found["text-7"]["response"]["body"]["data"][0]["embedding"]
        assert told == pytest.approx(one.data[0].embedding, abs=1e-4)
        assert batch.usage is not None
        assert batch.usage.input_tokens == sum(
            row["response"]["body"]["usage"]["prompt_tokens"] for row in found.values()
        )


def test_chats_beside_a_batch(tiny: System) -> None:
    with tiny.openai() as sdk:
        batch = start(sdk, chats(40, "default", max_tokens=4))
        answer = sdk.chat.completions.create(model="default", messages=ASK, temperature=0)
        assert "Rome" in (answer.choices[0].message.content or "")
        assert len(rows(sdk, ended(sdk, batch).output_file_id)) == 40


def test_a_hundred_messages_of_anthropics(tiny: System) -> None:
    with anthropic.Anthropic(base_url=tiny.url, api_key="any", max_retries=0) as claude:
        requests: list[Any] = [
            {"custom_id": f"say-{n}", "params": {"model": "default", "max_tokens": 2, "messages": ASK}}
            for n in range(100)
        ]
        batch = claude.messages.batches.create(requests=requests)
        deadline = time.monotonic() + 60
        while (batch := claude.messages.batches.retrieve(batch.id)).processing_status != "ended":
            assert time.monotonic() < deadline, batch
            time.sleep(0.02)
        found = {row.custom_id: row.result for row in claude.messages.batches.results(batch.id)}
        assert found.keys() == {f"say-{n}" for n in range(100)}
        for result in found.values():
            assert result.type == "succeeded"
            assert result.message.usage.output_tokens == 2
        answer = tiny.http.get(f"/v1/messages/batches/{batch.id}/results")
        assert all(json.loads(each) for each in answer.text.splitlines())
