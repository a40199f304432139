"""Loads and unloads models: the job for one category, and the results of other workers.

It knows no dialect: requests come as plain values, and the answers are the same everywhere.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api.dispatch.run import run
from api.dispatch.slots import Held, held
from api.dispatch.submission import job_request
from api.http.answers.json_response import json_response
from api.http.context import jobs_of
from api.http.job_options.prefer import Preference
from api.http.routes.dialect import Dialect
from api.models.changed import UnloadedModel, WorkerChange, model_changed
from api.models.inventory import engines
from api.models.placement import loading_worker, named_worker
from api.models.workers import PATIENCE, obeyed
from jobs.client import JobClient
from jobs.errors import InvalidRequest
from jobs.kinds import Category, Kind
from jobs.meta import LoadMeta
from jobs.payloads import LoadPayload, NoPayload, Payload
from jobs.request import JobRequest
from jobs.results import LoadResult
from mlxq.catalog import ModelRef

#: Seconds in which other workers begin to load a model, when they work on nothing else.
_LOADS = 2.0


async def served(jobs: JobClient) -> list[str]:
    """Categories with an engine; chat has one even while no worker is there to say so."""
    return sorted({Category.LLM.value, *await engines(jobs)})


async def check_served(jobs: JobClient, model_type: str) -> None:
    """Raises InvalidRequest when no worker can do anything with a model of that type."""
    known = sorted({Category.EMBEDDING.value, *await served(jobs)})
    if model_type not in known:
        raise InvalidRequest(
            f"There is no engine for models of the type '{model_type}' yet; these work: {', '.join(known)}.",
            param="model_type",
            code="unsupported_value",
        )


async def load(
    request: Request,
    dialect: Dialect,
    category: Category,
    ref: ModelRef,
    meta: LoadMeta,
    preference: Preference,
    *,
    headers: Mapping[str, str] | None = None,
    priority: int = 0,
    worker: str | None = None,
    keep_alive: float | None = None,
) -> Response:
    """The answer of a load. `worker`: its name, that of its machine, or `all`; None: the one that it fits best.

    `keep_alive`: see `Payload`.
    """
    one = await loading_worker(jobs_of(request), category, ref, worker)
    payload = LoadPayload(stand_in=worker is None, keep_alive=keep_alive)
    job = _job(request, dialect, Kind.LOAD, category, ref, payload, meta, preference, priority, one)
    response = await run(request, job, preference, headers)
    if one and worker is None and one not in {each.name for each in await jobs_of(request).workers()}:
        return response  # another one has stood in for it
    return await _told(request, response, Kind.LOAD, category, ref.id, [], one)


async def unload(
    request: Request,
    dialect: Dialect,
    category: Category,
    model: str,
    meta: LoadMeta,
    preference: Preference,
    *,
    worker: str | None = None,
) -> Response:
    """The answer of an unload of this model. `worker`: its name, or that of its machine; None: all of them."""
    one = await named_worker(jobs_of(request), worker)
    before = await held(jobs_of(request))
    job = _job(request, dialect, Kind.UNLOAD, category, model, NoPayload(), meta, preference, worker=one)
    response = await run(request, job, preference)
    return await _told(request, response, Kind.UNLOAD, category, model, before, one)


async def unload_types(
    request: Request,
    dialect: Dialect,
    model_type: str,
    category: str,
    preference: Preference,
    *,
    headers: Mapping[str, str],
    worker: str | None = None,
) -> Response:
    """Empty a category's slots, or those of `all`. `model_type` is the client's word for it.

    `worker`: see `unload`.
    """
    jobs = jobs_of(request)
    one = await named_worker(jobs, worker)
    known, before = await served(jobs), [each for each in await held(jobs) if one in ("", each.worker)]
    everything = category == "all"
    categories = known if everything else [category]
    freed = {each: _models_in(before, each) for each in categories}
    message = _unloaded(freed, category)
    if not everything and category not in known:
        meta = LoadMeta(message=message, model_type=model_type)
        return json_response(model_changed(None, meta, LoadResult(status="unloaded")), headers=headers)
    rows: list[WorkerChange] = []
    for each in categories:
        model = freed[each][0] if len(freed[each]) == 1 and not everything else None
        meta = LoadMeta(message=message, model_type=model_type, model=model)
        job = _job(
            request, dialect, Kind.UNLOAD, Category(each), "", NoPayload(), meta, preference, worker=one
        )
        response = await run(request, job, preference, headers)
        if response.status_code == HTTPStatus.OK:
            told = await obeyed(jobs, Kind.UNLOAD, each, "", before, worker=one)
            rows += [{"model_type": each, **row} for row in told]
    if everything:
        named: list[UnloadedModel] = [
            {"model_type": each, "model": model} for each in categories for model in freed[each]
        ]
        response = _more(response, {"unloaded": named})
    return _with_workers(response, rows, one)


def _job(
    request: Request,
    dialect: Dialect,
    kind: Kind,
    category: Category,
    model: str | ModelRef,
    payload: Payload,
    meta: LoadMeta,
    preference: Preference,
    priority: int = 0,
    worker: str = "",
) -> JobRequest:
    return job_request(
        request,
        dialect=dialect,
        category=category,
        kind=kind,
        model=model,
        payload=payload,
        meta=meta,
        preference=preference,
        priority=priority,
        worker=worker,
    )


async def _told(
    request: Request,
    response: Response,
    kind: Kind,
    category: str,
    model: str,
    before: Sequence[Held],
    worker: str,
) -> Response:
    """The answer, and what became of it in each worker where there are several, or in the one that was asked."""
    jobs = jobs_of(request)
    if response.status_code != HTTPStatus.OK or not (worker or len(await jobs.workers()) > 1):
        return response
    patience = _LOADS if kind is Kind.LOAD else PATIENCE
    rows = await obeyed(jobs, kind, category, model, before, patience, worker)
    return _with_workers(response, rows, worker)


def _models_in(slots: Sequence[Held], category: str) -> list[str]:
    """The models of a category that workers hold, each once."""
    return sorted({each.model for each in slots if each.category == category and each.model})


def _unloaded(freed: Mapping[str, list[str]], asked: str) -> str:
    named = [(category, model) for category, models in freed.items() for model in models]
    if not named:
        return "No model was loaded" if asked == "all" else f"No {asked} model was loaded"
    if len(named) == 1:
        return f"Model '{named[0][1]}' unloaded successfully"
    return "Unloaded " + ", ".join(f"'{model}' ({category})" for category, model in named)


def _with_workers(response: Response, rows: Sequence[WorkerChange], worker: str) -> Response:
    """With several workers, what became of it in each; else in the one that was asked."""
    several = len({row["worker"] for row in rows}) > 1
    return _more(response, {"workers": rows}) if several or worker else response


def _more(response: Response, fields: Mapping[str, object]) -> Response:
    """The same answer with more fields. A job that is only accepted has them in its result later."""
    if response.status_code != HTTPStatus.OK:
        return response
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return json_response({**orjson.loads(bytes(response.body)), **fields}, headers=headers)
