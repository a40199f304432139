"""Good bodies of what is kept: batches, aliases, files; and of the Model Context Protocol."""

import json
from random import Random
from typing import Any

from tests.fuzz.bodies import CHAT
from tests.fuzz.dialects import message


def message_batch(rng: Random) -> dict[str, Any]:
    """Their requests become jobs, of a few tokens each."""
    named = (f"r{number}" for number in range(rng.randrange(1, 3)))
    return {"requests": [{"custom_id": name, "params": message(rng) | {"stream": False}} for name in named]}


def batch(rng: Random) -> dict[str, Any]:
    more = rng.choice(
        ({}, {"metadata": {"a": "b"}}, {"output_expires_after": {"anchor": "created_at", "seconds": 3600}})
    )
    endpoint = rng.choice(("/v1/chat/completions", "/v1/embeddings"))
    return {"input_file_id": "file-none", "endpoint": endpoint, "completion_window": "24h", **more}


def file(rng: Random) -> dict[str, Any]:
    """The fields beside the file."""
    more = rng.choice(({}, {"expires_after[anchor]": "created_at", "expires_after[seconds]": 3600}))
    return {"purpose": rng.choice(("batch", "user_data")), **more}


def lines() -> bytes:
    """A file for a batch."""
    body = {"model": CHAT, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(line).encode() + b"\n"


def alias(rng: Random) -> dict[str, Any]:
    more = rng.choice(
        (
            {"from": CHAT, "system": "s", "parameters": {"temperature": 1, "stop": ["x"]}},
            {"modelfile": f'FROM {CHAT}\nPARAMETER temperature 1\nSYSTEM """s\nt"""\n'},
        )
    )
    return {"model": "alias", "stream": rng.random() < 0.5, **more}


def copied(_: Random) -> dict[str, Any]:
    return {"source": CHAT, "destination": "copy"}


def rpc(rng: Random) -> dict[str, Any]:
    call = rng.choice(
        (
            {"name": "list_models", "arguments": {"type": "llm"}},
            {"name": "queue_status", "arguments": {"job_id": "x", "wait": 0}},
            {"name": "transcribe", "arguments": {"audio": "AAAA", "response_format": "srt"}},
            {"name": "embed", "arguments": {"input": ["a", "b"], "dimensions": 4}},
            {"name": "edit_image", "arguments": {"prompt": "x", "image": "img-1/0"}},
        )
    )
    client = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "c", "version": "1"},
    }
    method, params = rng.choice(
        (
            ("tools/call", call),
            ("tools/call", {**call, "_meta": {"progressToken": 1}}),
            ("tools/list", {}),
            ("initialize", client),
            ("ping", {}),
            ("notifications/cancelled", {"requestId": 1}),
        )
    )
    return {"jsonrpc": "2.0", "id": rng.choice((1, "a")), "method": method, "params": params}
