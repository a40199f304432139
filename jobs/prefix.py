"""What the turns of a chat have in common: a worker that has read it need not do so again.

It knows payloads. It does not know workers, nor what is in their caches.
"""

import msgspec

from jobs.payloads import ChatPayload, Payload


def beginning_of(payload: Payload) -> bytes:
    """Its tools, and its messages up to the first one of the user; empty for what is no chat."""
    if not isinstance(payload, ChatPayload):
        return b""
    messages = payload.messages
    first = next((place for place, each in enumerate(messages) if each.get("role") == "user"), len(messages))
    return msgspec.json.encode([payload.tools, messages[: first + 1]])
