"""Bodies of chats, as the SDKs take them."""

from collections.abc import Mapping
from typing import Any

#: A chat that does not end by itself while a test looks at it.
ENDLESS: Mapping[str, Any] = {"extra_body": {"ignore_eos": True}, "max_tokens": 50_000}


def body(extra: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A short greedy chat with `first`."""
    return {
        "model": "first",
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0,
        "max_tokens": 24,
        **(extra or {}),
        **fields,
    }
