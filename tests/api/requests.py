"""Requests that many tests make."""

from typing import Any


def chat(text: str = "Hello", **fields: Any) -> dict[str, Any]:
    return {"model": "tiny", "messages": [{"role": "user", "content": text}], **fields}
