"""What a chat answers: the completion, and the chunks of its stream."""

from typing import Any

import orjson

from config import VERSION

FINGERPRINT = f"mlxq-{VERSION}"


def usage(counts: dict[str, Any]) -> dict[str, Any]:
    prompt, completion = int(counts["prompt_tokens"]), int(counts["completion_tokens"])
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": int(counts.get("cached_tokens", 0))},
    }


def chat_completion(job_id: str, meta: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """The completion of a job: `meta` is what the API noted when it was submitted, `result` the worker's."""
    return {
        "id": job_id,
        "object": "chat.completion",
        "created": meta["created"],
        "model": meta["model"],
        "choices": [
            {
                "index": choice["index"],
                "message": {"role": "assistant", "content": choice["text"], "refusal": None},
                "logprobs": None,
                "finish_reason": choice["finish_reason"],
            }
            for choice in result["choices"]
        ],
        "usage": usage(result["usage"]),
        "system_fingerprint": FINGERPRINT,
    }


class ChunkFrames:
    """The chunks of one stream as server-sent events. All but the text is serialized once."""

    def __init__(self, job_id: str, meta: dict[str, Any], *, include_usage: bool) -> None:
        head = orjson.dumps(
            {
                "id": job_id,
                "object": "chat.completion.chunk",
                "created": meta["created"],
                "model": meta["model"],
                "system_fingerprint": FINGERPRINT,
            }
        )
        # With include_usage OpenAI puts `usage` on every chunk, null on all but the last.
        self._head = b"data: " + head[:-1]
        self._tail = (b',"usage":null' if include_usage else b"") + b"}\n\n"
        self._delta = self._head + b',"choices":[{"index":0,"delta":{"content":'
        self._delta_end = b'},"logprobs":null,"finish_reason":null}]' + self._tail

    def role(self) -> bytes:
        return self._choice({"role": "assistant", "content": "", "refusal": None}, None)

    def text(self, text: str) -> bytes:
        return self._delta + orjson.dumps(text) + self._delta_end

    def finish(self, reason: str) -> bytes:
        return self._choice({}, reason)

    def usage(self, counts: dict[str, Any]) -> bytes:
        return self._head + b',"choices":[],"usage":' + orjson.dumps(usage(counts)) + b"}\n\n"

    def _choice(self, delta: dict[str, Any], reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self._head + b',"choices":' + orjson.dumps([choice]) + self._tail


class Transcript:
    """What a client has been sent. After a reset the same text comes again, and is held back as it is known.

    What was sent cannot be taken back: a text that goes another way after a reset is a broken stream.
    """

    def __init__(self) -> None:
        self._sent: list[str] = []
        self._known = ""
        self._was_reset = False

    def reset(self) -> None:
        self._known = "".join(self._sent)
        self._was_reset = bool(self._known)

    def add(self, text: str) -> str | None:
        """What of `text` is new to the client; None when it contradicts what the client has."""
        if self._known:
            shared = min(len(text), len(self._known))
            if text[:shared] != self._known[:shared]:
                return None
            text, self._known = text[shared:], self._known[shared:]
        if text:
            self._sent.append(text)
        return text

    def rest(self, whole: str) -> str | None:
        """What is missing from the whole text; None when a reset has led to another one."""
        sent = "".join(self._sent)
        if whole.startswith(sent):
            return whole[len(sent) :]
        return None if self._was_reset else ""
