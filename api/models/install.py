"""Installs a model: checks what is installed, makes the job of the download, and sets the name."""

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from api.dispatch.call import call, outcome
from api.dispatch.run import accepted
from api.http.answers.json_response import json_response
from api.http.callers.app_name import app_name
from api.http.callers.caller import caller_of
from api.http.context import Context, context_of, jobs_of
from api.http.job_options.prefer import Preference
from api.http.job_options.webhook import webhook_of
from api.http.routes.dialect import Dialect
from api.models.downloaded import downloaded
from jobs.client import JobClient
from jobs.errors import Conflict, InvalidRequest, ModelNotFound
from jobs.kinds import Kind, read_result
from jobs.meta import DownloadMeta
from jobs.results import DownloadResult
from mlxq.catalog import Catalog, ModelRef, UnknownModel, is_hub_id, plain_name
from mlxq.downloads.request import download_request


async def install(
    request: Request,
    dialect: Dialect,
    model: str,
    name: str | None,
    param: str,
    preference: Preference,
    headers: Mapping[str, str],
) -> Response:
    """200 when the model is here, 202 for who does not wait. A client that leaves does not end the download.

    `param` is what the request calls the model. Raises InvalidRequest, Conflict and ModelNotFound.
    """
    context, jobs = context_of(request), jobs_of(request)
    catalog = await context.models.look(jobs)
    here = await asyncio.to_thread(_installed, catalog, model)
    # People paste addresses of the hub.
    model = model if here else plain_name(model)
    if here is None and not is_hub_id(model):
        raise InvalidRequest(
            f"Invalid '{param}': a model on a hub has a name such as 'org/name'.",
            param=param,
            code="invalid_value",
        )
    model_id = here.base_id if here else model
    if name is not None and name != model_id:
        await _give_name(context, jobs, catalog, name, model_id)
    told = DownloadMeta(model=model_id, name=name)
    if here is not None:
        await context.machines.restore(jobs, model_id)
        context.models.forget()
        return json_response(
            downloaded(None, told, DownloadResult(status="already_installed")), headers=dict(headers)
        )
    if context.settings.hf_hub_offline:
        raise ModelNotFound(
            f"The model '{model_id}' is not installed, and the hub is offline: HF_HUB_OFFLINE is set.",
            param=param,
        )
    owner = caller_of(request).owner
    job = download_request(
        context.settings,
        model_id,
        app=app_name(request),
        owner=owner,
        name=name,
        dialect=dialect.name,
        webhook=webhook_of(request),
    )
    if preference.wait == 0:
        return await accepted(request, job, await jobs.enqueue(job), preference, headers)
    async with call(jobs, job, request.receive, keep=True) as (submission, watch):
        request.state.request_id = submission.job_id
        result = await outcome(watch, preference.wait)
    context.models.forget()
    if result is None:
        return await accepted(request, job, submission, preference, headers)
    return json_response(
        downloaded(submission.job_id, told, read_result(Kind.DOWNLOAD, result)), headers=dict(headers)
    )


def _installed(catalog: Catalog, model: str) -> ModelRef | None:
    """The model of that id, name or path, if it lies here; also one that was deleted and whose files stayed."""
    try:
        ref = catalog.resolve(model)
    except UnknownModel:
        return catalog.left_behind(model)
    return ref if ref.installed else catalog.left_behind(model)


async def _give_name(context: Context, jobs: JobClient, catalog: Catalog, name: str, model_id: str) -> None:
    """Raises Conflict when the name is another model's."""
    alias = catalog.given_aliases.get(name)
    taken: str | None = catalog.names.get(name) if alias is None else alias.model
    if taken is None and any(model.id == name for model in catalog.installed()):
        taken = name
    if taken is None:
        taken = await context.names.give(jobs, name, model_id)
    if taken != model_id:
        raise Conflict(f"The name '{name}' is that of another model, '{taken}'.", param="name")
