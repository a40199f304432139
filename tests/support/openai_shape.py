"""Does a body have the shape that OpenAI's public description of its API gives it?

`tests/openai/components.json` holds those component schemas of it that mlxq answers with, without their prose.
"""

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from config.settings import REPO

#: Fields that mlxq adds to OpenAI's. Every other unknown one is a mistake.
EXTENSIONS = {
    "ChatCompletionResponseMessage": ("reasoning_content",),
    "ChatCompletionStreamResponseDelta": ("reasoning_content",),
    "Model": (
        *(
            "context_length",
            "endpoints",
            "memory_bytes",
            "parent",
            "permission",
            "root",
            "size_bytes",
            "status",
            "type",
        ),
        # MLX-GUI's fields, when one model is asked for.
        *("created_at", "error_message", "last_used_at", "loaded_at", "memory_bytes", "memory_required_gb"),
        *("huggingface_id", "metadata", "name", "number", "path", "size_bytes", "updated_at", "use_count"),
        "version",
    ),
    "ListModelsResponse": ("models",),
    "ErrorResponse": ("detail",),
    "Image": ("seed",),
    "ImageGenPartialImageEvent": ("image_index",),
    "ImageGenCompletedEvent": ("image_index", "seed", "url"),
    "ImageEditPartialImageEvent": ("image_index",),
    "ImageEditCompletedEvent": ("image_index", "seed", "url"),
    "Response": ("frequency_penalty", "presence_penalty", "store"),
    # OpenAI's own servers give custom calls a status.
    "CustomToolCall": ("status",),
}
#: Fields that OpenAI's servers send as null, which its description forgets.
_NULL = {
    "Batch": (
        *(
            "cancelled_at",
            "cancelling_at",
            "completed_at",
            "error_file_id",
            "errors",
            "expired_at",
            "expires_at",
        ),
        *("failed_at", "finalizing_at", "in_progress_at", "output_file_id"),
    ),
    "OpenAIFile": ("expires_at", "status_details"),
    "ListFilesResponse": ("first_id", "last_id"),
    "ListBatchesResponse": ("first_id", "last_id"),
}
#: Codes of failures that OpenAI's servers send and its description forgets.
CODES = ("context_length_exceeded", "model_not_found")


def check_shape(name: str, body: Any) -> None:
    """`body` is one of these, and holds nothing that neither OpenAI nor EXTENSIONS knows."""
    problems = [f"{error.json_path}: {error.message}" for error in _validator(name).iter_errors(body)]
    assert not problems, problems


def check_chunks(name: str, chunks: list[dict[str, Any]]) -> None:
    assert chunks
    for chunk in chunks:
        check_shape(name, chunk)


def check_events(events: list[dict[str, Any]]) -> None:
    """Events of a stream of responses, each by its type."""
    assert events
    for event in events:
        check_shape(_event_names()[event["type"]], event)


@cache
def _event_names() -> dict[str, str]:
    """The component of each type of event."""
    components = _components()["schemas"]
    choices = components["ResponseStreamEvent"]["anyOf"]
    names = (choice["$ref"].rsplit("/", 1)[1] for choice in choices)
    return {components[name]["properties"]["type"]["enum"][0]: name for name in names}


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": _components()})


@cache
def _components() -> dict[str, Any]:
    text = (REPO / "tests" / "openai" / "components.json").read_text()
    schemas: dict[str, Any] = json.loads(text)["components"]["schemas"]
    schemas = {name: _flat(schema, schemas) for name, schema in schemas.items()}
    for name, fields in EXTENSIONS.items():
        schemas[name]["properties"].update(dict.fromkeys(fields, True))
    _allow_what_openai_sends(schemas)
    return {"schemas": {name: _closed(schema) for name, schema in schemas.items()}}


def _allow_what_openai_sends(schemas: dict[str, Any]) -> None:
    """Places where OpenAI's own servers send null and its description forgets it."""
    completion = schemas["CreateCompletionResponse"]["properties"]
    choice = completion["choices"]["items"]["properties"]
    # With include_usage all chunks have it, and the last one says it.
    completion["usage"]["nullable"] = True
    # A chunk in mid-stream has not finished.
    choice["finish_reason"]["nullable"] = True
    # Nothing comes before the first token of an echoed prompt.
    lists = choice["logprobs"]["anyOf"][0]["properties"]
    lists["token_logprobs"]["items"]["nullable"] = True
    lists["top_logprobs"]["items"]["nullable"] = True
    schemas["ResponseErrorCode"]["enum"] += CODES
    # A response that is being made has taken no tokens yet.
    response = schemas["Response"]["properties"]
    response["usage"] = {"anyOf": [response["usage"], {"type": "null"}]}
    # What has not come is null.
    for name, fields in _NULL.items():
        for field in fields:
            schemas[name]["properties"][field] = {
                "anyOf": [schemas[name]["properties"][field], {"type": "null"}]
            }
    # Where it stands, a schema of the client's own is meant.
    schemas["EmptyModelParam"] = {"type": "object"}


def _flat(schema: Any, schemas: dict[str, Any]) -> Any:
    """An object that is put together of others as one, so that it can be closed."""
    if "$ref" in schema and len(schema) == 1:
        return _flat(schemas[schema["$ref"].rsplit("/", 1)[1]], schemas)
    if "allOf" not in schema:
        return schema
    parts = [_flat(part, schemas) for part in schema["allOf"]]
    if not all("properties" in part for part in parts):
        return schema
    properties: dict[str, Any] = {}
    for part in parts:
        properties |= part["properties"]
    required = [name for part in parts for name in part.get("required", ())]
    return {"type": "object", "properties": properties, "required": required}


def _closed(schema: Any) -> Any:
    """The schema without unknown fields, and with OpenAPI's old `nullable` as JSON Schema says it."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {
        key: {name: _closed(each) for name, each in value.items()} if key == "properties" else _closed(value)
        for key, value in schema.items()
    }
    if isinstance(closed.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    if closed.pop("nullable", False) is True:
        return {"anyOf": [closed, {"type": "null"}]}
    return closed
