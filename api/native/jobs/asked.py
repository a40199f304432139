"""What a job was asked, as a call of OpenAI's API that asks the same. Files that came with it are left out."""

from collections.abc import Mapping

import msgspec

from jobs.kept_request import KeptRequest
from jobs.kinds import Kind
from jobs.payloads import ChatPayload

_PATHS: dict[Kind, str] = {
    Kind.CHAT: "/v1/chat/completions",
    Kind.COMPLETION: "/v1/completions",
    Kind.EMBEDDING: "/v1/embeddings",
    Kind.RERANK: "/v1/rerank",
    Kind.TRANSCRIPTION: "/v1/audio/transcriptions",
    Kind.TRANSLATION: "/v1/audio/translations",
    Kind.SPEECH: "/v1/audio/speech",
    Kind.IMAGE: "/v1/images/generations",
    Kind.LOAD: "/v1/models/load",
    Kind.UNLOAD: "/v1/models/unload",
    Kind.DOWNLOAD: "/v1/models/download",
}
#: Members of payloads that have another name in a request.
_NAMES = {"prompts": "prompt", "inputs": "input", "format": "response_format", "top": "top_n"}
_IMAGE_NAMES = {"format": "output_format", "compression": "output_compression"}
#: Members that follow from others, or are the server's own.
_DERIVED = frozenset(
    {"grammar", "tool_schemas", "tool_grammars", "previews", "metadata", "mode", "width", "height", "seconds"}
)


def path_of(kept: KeptRequest) -> str:
    if kept.kind is Kind.IMAGE and kept.has_files:
        return "/v1/images/edits"
    return _PATHS[kept.kind]


def body_of(kept: KeptRequest) -> Mapping[str, object]:
    """Its JSON, with the model's id."""
    if kept.kind is Kind.DOWNLOAD:
        return {"repo_id": kept.model}
    payload = kept.shown()
    names = {**_NAMES, **_IMAGE_NAMES} if kept.kind is Kind.IMAGE else _NAMES
    body = {
        "model": kept.model,
        **{names.get(name, name): value for name, value in payload.items() if name not in _DERIVED},
    }
    if kept.kind is Kind.IMAGE:
        body["size"] = f"{payload['width']}x{payload['height']}"
    if isinstance(kept.payload, ChatPayload):
        if kept.payload.grammar is not None:
            schema = msgspec.to_builtins(kept.payload.grammar.json_schema)
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": schema},
            }
        if isinstance(body.get("tool_choice"), Mapping):
            body["tool_choice"] = {"type": "function", "function": body["tool_choice"]}
        if kept.payload.logprobs is not None:
            body |= {"logprobs": True, "top_logprobs": kept.payload.logprobs}
    return {name: value for name, value in body.items() if value is not None}
