"""Batches as clients meet them: their input, their end, and what is in their files."""

import json
import time
from collections.abc import Iterable
from typing import Any

import openai
from openai.types import Batch

CHAT, EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"
ENDED = ("completed", "failed", "expired", "cancelled")


def line(custom_id: str, body: dict[str, Any], url: str = CHAT, **fields: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": body, **fields}


def chats(count: int, model: str = "tiny", **fields: Any) -> list[dict[str, Any]]:
    """As many chats: `say-7` is told `Number 7`."""
    return [
        line(
            f"say-{number}",
            {"model": model, "messages": [{"role": "user", "content": f"Number {number}"}], **fields},
        )
        for number in range(count)
    ]


def vectors(count: int, model: str) -> list[dict[str, Any]]:
    return [
        line(f"text-{number}", {"model": model, "input": f"Number {number}"}, EMBEDDINGS)
        for number in range(count)
    ]


def jsonl(lines: Iterable[object]) -> bytes:
    """JSON Lines; texts are lines as they are."""
    return b"".join((each if isinstance(each, str) else json.dumps(each)).encode() + b"\n" for each in lines)


def start(sdk: openai.OpenAI, lines: Iterable[object], endpoint: Any = CHAT, **fields: Any) -> Batch:
    """Upload a file with these lines, and make a batch of it."""
    file = sdk.files.create(file=("requests.jsonl", jsonl(lines)), purpose="batch")
    return sdk.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h", **fields)


def ended(sdk: openai.OpenAI, batch: Batch, timeout: float = 60) -> Batch:
    """The batch once it has ended."""
    return until(sdk, batch, lambda now: now.status in ENDED, timeout)


def until(sdk: openai.OpenAI, batch: Batch, condition: Any, timeout: float = 60) -> Batch:
    """Look again and again: no event tells of a batch."""
    deadline = time.monotonic() + timeout
    while not condition(now := sdk.batches.retrieve(batch.id)):
        assert time.monotonic() < deadline, now
        time.sleep(0.01)
    return now


def rows(sdk: openai.OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    """The lines of a file of a batch."""
    if file_id is None:
        return []
    return [json.loads(each) for each in sdk.files.content(file_id).text.splitlines()]


def texts(answers: list[dict[str, Any]]) -> dict[str, str]:
    """What chats answered, by `custom_id`, each of which is there once."""
    found = {row["custom_id"]: row["response"]["body"]["choices"][0]["message"]["content"] for row in answers}
    assert len(found) == len(answers)
    return found
