"""The API's description: routes read their bodies themselves, so their schemas are added here."""

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from api.http.fields import RequestModel
from api.mlxgui.downloads.schema import DownloadRequest, InstallRequest
from api.mlxgui.generate.schema import GenerateRequest
from api.mlxgui.manager.schema import PriorityUpdate
from api.mlxgui.settings.schema import SettingUpdate
from api.models.schema import LoadRequest, UnloadRequest
from api.openai.chat.schema import ChatRequest
from api.openai.completions.schema import CompletionRequest
from api.openai.embeddings.schema import EmbeddingRequest
from api.openai.images.schema import (
    EditRequest,
    GenerationRequest,
    JsonEditRequest,
    JsonVariationRequest,
    VariationRequest,
)
from api.openai.speech.schema import SpeechRequest
from api.openai.transcription.schema import JsonTranscriptionRequest, TranscriptionRequest

#: Every body that a route takes.
_BODIES: tuple[type[RequestModel], ...] = (
    ChatRequest,
    CompletionRequest,
    DownloadRequest,
    EditRequest,
    EmbeddingRequest,
    GenerateRequest,
    GenerationRequest,
    InstallRequest,
    JsonEditRequest,
    JsonTranscriptionRequest,
    JsonVariationRequest,
    SpeechRequest,
    TranscriptionRequest,
    LoadRequest,
    PriorityUpdate,
    SettingUpdate,
    UnloadRequest,
    VariationRequest,
)

#: Where the description keeps a body.
REFERENCE = "#/components/schemas/{model}"

_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
            "required": ["message", "type", "param", "code"],
        },
        "detail": {"type": "string"},
    },
    "required": ["error", "detail"],
}
_ERROR_RESPONSE = {
    "description": "An error in OpenAI's shape",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


def takes(model: type[RequestModel]) -> dict[str, Any]:
    """`openapi_extra` of a route whose JSON body is `model`."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def takes_files(
    form: type[RequestModel],
    body: type[RequestModel],
    files: dict[str, Any],
    required: tuple[str, ...],
) -> dict[str, Any]:
    """The same of a route that takes a form with these files beside its fields, or JSON."""
    fields = {"type": "object", "required": list(required), "properties": files}
    schema = {"allOf": [{"$ref": REFERENCE.format(model=form.__name__)}, fields]}
    content = {
        "multipart/form-data": {"schema": schema},
        "application/json": {"schema": {"$ref": REFERENCE.format(model=body.__name__)}},
    }
    return {"requestBody": {"required": True, "content": content}}


class Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """FastAPI's description with our bodies and errors. Made on first use."""
        if self.openapi_schema is None:
            description = super().openapi()
            _, schemas = models_json_schema(
                [(model, "validation") for model in _BODIES], ref_template="#/components/schemas/{model}"
            )
            components = description.setdefault("components", {}).setdefault("schemas", {})
            components.update(schemas["$defs"], Error=_ERROR)
            for unused in ("HTTPValidationError", "ValidationError"):
                components.pop(unused, None)
            for path in description["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)
                    operation["responses"]["default"] = _ERROR_RESPONSE
        assert self.openapi_schema is not None
        return self.openapi_schema
