"""`/v1/models`: what there is, what is loaded, load and unload. Literal paths come before `{name}`."""

import asyncio
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response

from api.dispatch.resource import Resource
from api.dispatch.run import run
from api.dispatch.slots import Held, held
from api.dispatch.submission import job_request
from api.http.body import read_body
from api.http.context import context_of, jobs_of
from api.http.json_response import json_response
from api.http.openapi import takes
from api.http.prefer import Preference, preference
from api.http.security import at_the_machine
from api.models.inventory import engines, find, inventory, not_found
from api.models.schema import (
    MODEL_TYPES,
    LoadRequest,
    UnloadRequest,
    model_changed,
    model_health,
    model_list,
    model_status,
)
from api.models.workers import PATIENCE, obeyed
from jobs.client import JobClient
from jobs.errors import InvalidRequest, ModelNotFound
from jobs.kinds import Category, Kind
from jobs.request import JobRequest
from mlxq.catalog import ModelRef

router = APIRouter(tags=["models"])
#: Routes whose path begins with a model's name. They come after every literal path.
named = APIRouter(tags=["models"])

#: OminiX' clients load a voice where they mean the model that speaks.
_RECORDINGS = (".wav", ".mp3", ".flac", ".m4a", ".ogg")
#: Seconds in which other workers begin to load a model, when they work on nothing else.
_LOADS = 2.0
#: How MLX-GUI's loading priority is bounded.
Priority = Annotated[
    int, Query(ge=-1000, le=1000, description="Of two loads that wait, the higher goes first.")
]


@router.get("/v1/models", summary="List models", response_class=Response)
async def list_models(
    request: Request,
    loaded: Annotated[bool, Query(description="Only those that are in memory.")] = False,
    aliases: Annotated[
        bool, Query(description="Also other names of these models, such as `default`.")
    ] = False,
) -> Response:
    context = context_of(request)
    entries = [each for each in await inventory(context, jobs_of(request)) if each.loaded or not loaded]
    names = await asyncio.to_thread(lambda: list(context.catalog.aliases())) if aliases else []
    return json_response(model_list(entries, [(name, ref.id) for name, ref in names]))


@router.get("/v1/models/status", summary="The loaded model of each category", response_class=Response)
async def status(request: Request) -> Response:
    """A language model that reads pictures is both `llm` and `vlm`."""
    entries = await inventory(context_of(request), jobs_of(request))
    models: dict[str, str | None] = dict.fromkeys(MODEL_TYPES)
    for entry in entries:
        if entry.loaded:
            models[entry.category] = entry.id
            if entry.sees:
                models["vlm"] = entry.id
    return json_response(model_status(models))


@router.post(
    "/v1/models/load",
    summary="Load a model, or switch to it",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=takes(LoadRequest),
)
async def load(request: Request) -> Response:
    body = await read_body(request, LoadRequest)
    wanted = body.value
    asked = "llm" if wanted.model_type == "vlm" else wanted.model_type
    context = context_of(request)
    if asked == "tts" and wanted.model.lower().endswith(_RECORDINGS):
        raise InvalidRequest(
            "A recording is not a model: load a speech model by its name, and give the recording as 'voice' in "
            "/v1/audio/speech, or as TTS_REF_AUDIO.",
            param="model",
            code="unsupported_value",
        )
    model_type = asked or (await context.look_up(wanted.model)).category or "llm"
    await _check_served(jobs_of(request), model_type)
    ref = await context.at_hand(await context.resolve(wanted.model, Category(model_type)))
    meta = {
        "message": f"Model '{ref.id}' loaded successfully",
        "model_type": wanted.model_type or model_type,
    }
    job = _job(request, body.raw, Kind.LOAD, Category(model_type), ref, meta, wanted.background)
    response = await run(request, job, _preference(request, wanted.background), body.headers)
    return await _told(request, response, Kind.LOAD, model_type, ref.id, [])


@router.post(
    "/v1/models/unload",
    summary="Free the memory of a category's model, or of all",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=takes(UnloadRequest),
)
async def unload(request: Request) -> Response:
    body = await read_body(request, UnloadRequest)
    wanted = body.value
    jobs = jobs_of(request)
    served, before = await _served(jobs), await held(jobs)
    asked = "llm" if wanted.model_type == "vlm" else wanted.model_type
    categories = served if asked == "all" else [asked]
    freed = {each: _models_in(before, each) for each in categories}
    message = _unloaded(freed, asked)
    if asked not in ("all", *served):
        meta = {"message": message, "model_type": wanted.model_type, "model": None}
        return json_response(model_changed(None, meta, {"status": "unloaded"}), headers=body.headers)
    rows: list[dict[str, Any]] = []
    for category in categories:
        model = freed[category][0] if len(freed[category]) == 1 and asked != "all" else None
        meta = {"message": message, "model_type": wanted.model_type, "model": model}
        job = _job(request, body.raw, Kind.UNLOAD, Category(category), "", meta, wanted.background)
        response = await run(request, job, _preference(request, wanted.background), body.headers)
        if response.status_code == HTTPStatus.OK:
            told = await obeyed(jobs, Kind.UNLOAD, category, "", before)
            rows += [{"model_type": category, **row} for row in told]
    if asked == "all":
        named = [{"model_type": each, "model": model} for each in categories for model in freed[each]]
        response = _more(response, {"unloaded": named})
    return _with_workers(response, rows)


@named.post(
    "/v1/models/{name:path}/load",
    summary="Load a model, as MLX-GUI's clients ask for it",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
)
async def load_named(request: Request, name: str, priority: Priority = 0) -> Response:
    context, jobs = context_of(request), jobs_of(request)
    try:
        ref = await context.at_hand(await context.look_up(name))
    except ModelNotFound:
        raise not_found(name) from None
    category = Category(ref.category or "llm")
    await _check_served(jobs, category)
    meta = {"message": f"Model '{name}' loaded successfully", "model_type": category.value}
    raw = f"{priority}".encode()
    job = _job(request, raw, Kind.LOAD, category, ref, meta, None, priority)
    response = await run(request, job, _preference(request, None))
    return await _told(request, response, Kind.LOAD, category, ref.id, [])


@named.post(
    "/v1/models/{name:path}/unload",
    summary="Unload a model, as MLX-GUI's clients ask for it",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
)
async def unload_named(request: Request, name: str) -> Response:
    entry = await find(context_of(request), jobs_of(request), name)
    meta = {
        "message": f"Model '{name}' unloaded successfully",
        "model_type": entry.category,
        "model": entry.id,
    }
    if not entry.loaded and entry.state != "loading":
        meta["message"] = f"Model '{name}' was not loaded"
        return json_response(model_changed(None, meta, {"status": "not_loaded"}))
    before = await held(jobs_of(request))
    job = _job(request, b"", Kind.UNLOAD, Category(entry.category), entry.id, meta, None)
    response = await run(request, job, _preference(request, None))
    return await _told(request, response, Kind.UNLOAD, entry.category, entry.id, before)


@named.get("/v1/models/{name:path}/health", summary="Would it answer at once?", response_class=Response)
async def health(request: Request, name: str) -> Response:
    return json_response(model_health(await find(context_of(request), jobs_of(request), name)))


@named.get("/v1/models/{name:path}", summary="One model", response_class=Response)
async def model(request: Request, name: str) -> Response:
    """Ids may contain slashes, plain or as %2F."""
    entry = await find(context_of(request), jobs_of(request), name)
    return json_response(entry.details())


async def _check_served(jobs: JobClient, model_type: str) -> None:
    """Raises InvalidRequest when no worker can do anything with a model of that type."""
    served = sorted({Category.EMBEDDING.value, *await _served(jobs)})
    if model_type not in served:
        raise InvalidRequest(
            f"There is no engine for models of the type '{model_type}' yet; these work: {', '.join(served)}.",
            param="model_type",
            code="unsupported_value",
        )


async def _served(jobs: JobClient) -> list[str]:
    """Categories with an engine; chat has one even while no worker is there to say so."""
    return sorted({Category.LLM.value, *await engines(jobs)})


async def _told(
    request: Request, response: Response, kind: Kind, category: str, model: str, before: list[Held]
) -> Response:
    """The answer, and what became of it in each worker where there are several."""
    jobs = jobs_of(request)
    if response.status_code != HTTPStatus.OK or len(await jobs.workers()) < 2:
        return response
    patience = _LOADS if kind is Kind.LOAD else PATIENCE
    return _with_workers(response, await obeyed(jobs, kind, category, model, before, patience))


def _models_in(slots: list[Held], category: str) -> list[str]:
    """The models of a category that workers hold, each once."""
    return sorted({each.model for each in slots if each.category == category and each.model})


def _unloaded(freed: Mapping[str, list[str]], asked: str) -> str:
    named = [(category, model) for category, models in freed.items() for model in models]
    if not named:
        return "No model was loaded" if asked == "all" else f"No {asked} model was loaded"
    if len(named) == 1:
        return f"Model '{named[0][1]}' unloaded successfully"
    return "Unloaded " + ", ".join(f"'{model}' ({category})" for category, model in named)


def _with_workers(response: Response, rows: list[dict[str, Any]]) -> Response:
    """With several workers, what became of it in each."""
    several = len({row["worker"] for row in rows}) > 1
    return _more(response, {"workers": rows}) if several else response


def _more(response: Response, fields: Mapping[str, Any]) -> Response:
    """The same answer with more in it; what is only accepted says it later."""
    if response.status_code != HTTPStatus.OK:
        return response
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return json_response({**orjson.loads(bytes(response.body)), **fields}, headers=headers)


def _preference(request: Request, background: bool | None) -> Preference:
    return preference(request.headers, background=bool(background))


def _job(
    request: Request,
    raw: bytes,
    kind: Kind,
    category: Category,
    model: str | ModelRef,
    meta: dict[str, Any],
    background: bool | None,
    priority: int = 0,
) -> JobRequest:
    return job_request(
        request,
        category=category,
        kind=kind,
        model=model,
        raw=raw,
        payload={},
        meta={"model": model if isinstance(model, str) else model.id, "created": int(time.time()), **meta},
        preference=_preference(request, background),
        priority=priority,
    )


RESOURCE = Resource(routers=(router, named))
