"""Ollama's dialect: its error object, its streams of JSON lines, and its names of models."""

from datetime import UTC, datetime

import orjson
from starlette.requests import Request
from typing_extensions import TypedDict

from api.dispatch.submission import model_of
from api.http.context import context_of, jobs_of
from api.http.routes.dialect import Dialect, told
from api.models.entry import ModelEntry
from api.models.inventory import find
from jobs.errors import MlxqError, ModelNotFound
from jobs.kinds import Category
from jobs.results import Result
from mlxq.catalog import ModelRef, plain_name

#: Of a stream: one JSON object in each line.
LINES = {"content-type": "application/x-ndjson", "cache-control": "no-cache, no-transform"}


class OllamaError(TypedDict):
    error: str


class Ollama(Dialect):
    name = "ollama"
    error_type = OllamaError

    def error_body(self, error: MlxqError, request_id: str = "") -> OllamaError:
        return {"error": told(error.message)}


OLLAMA = Ollama()


def line(value: object) -> bytes:
    return orjson.dumps(value) + b"\n"


def now() -> str:
    """The time as Ollama writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def nanoseconds(seconds: float) -> int:
    return round(seconds * 10**9)


class Durations(TypedDict, total=False):
    """In nanoseconds: of the load, if the model was loaded for this job, and of that and the work."""

    total_duration: int
    load_duration: int


def durations(result: Result) -> Durations:
    return {
        "total_duration": nanoseconds(result.load_seconds + result.run_seconds),
        "load_duration": nanoseconds(result.load_seconds),
    }


def not_found(name: str) -> ModelNotFound:
    """In Ollama's words."""
    return ModelNotFound(f"model '{name[:200]}' not found", param="model")


async def named(request: Request, name: str, category: Category = Category.LLM) -> ModelRef:
    """The model that a request names. Raises what `model_of` raises."""
    try:
        return await model_of(request, plain_name(name), category)
    except ModelNotFound:
        raise not_found(name) from None


async def here(request: Request, name: str) -> ModelEntry:
    """The model of that name, of whatever category, if it is here. Raises ModelNotFound."""
    try:
        return await find(context_of(request), jobs_of(request), plain_name(name))
    except ModelNotFound:
        raise not_found(name) from None
