"""`/v1/models`: list, retrieve and delete."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from typing_extensions import TypeAliasType

from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.context import context_of, jobs_of
from api.http.middleware.security import at_the_machine
from api.http.openapi import gives
from api.models.inventory import find, inventory
from api.models.removal import remove
from api.openai.dialect import OPENAI
from api.openai.models.codex import CodexCatalogue, catalogue
from api.openai.models.render import model_deleted, model_details, model_list
from api.openai.models.schema import ModelDeleted, ModelDetails, ModelList
from jobs.kinds import Category

ModelLists = TypeAliasType("ModelLists", ModelList | CodexCatalogue)

router = APIRouter(tags=["models"])


@router.get("/v1/models", summary="List models", response_class=Response, openapi_extra=gives(ModelLists))
async def list_models(
    request: Request,
    loaded: Annotated[bool, Query(description="Only those that are in memory.")] = False,
    aliases: Annotated[
        bool, Query(description="Also other names of these models, such as `default`.")
    ] = False,
    client_version: Annotated[
        str | None, Query(description="Codex' version: the answer is the catalogue that it reads.")
    ] = None,
) -> Response:
    context = context_of(request)
    entries = [each for each in await inventory(context, jobs_of(request)) if each.loaded or not loaded]
    catalog = await context.models.catalog(jobs_of(request))
    if client_version is not None:
        chosen = await asyncio.to_thread(catalog.chosen, Category.LLM)
        return json_response(catalogue(entries, chosen.id if chosen is not None else ""))
    names = await asyncio.to_thread(lambda: list(catalog.aliases())) if aliases else []
    return json_response(model_list(entries, [(name, ref.id) for name, ref in names]))


@router.get(
    "/v1/models/{name:path}", summary="One model", response_class=Response, openapi_extra=gives(ModelDetails)
)
async def model(request: Request, name: str) -> Response:
    """Ids may contain slashes, plain or as %2F."""
    entry = await find(context_of(request), jobs_of(request), name)
    return json_response(model_details(entry))


@router.delete(
    "/v1/models/{name:path}",
    summary="Delete a model",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=gives(ModelDeleted),
)
async def delete(
    request: Request,
    name: str,
    remove_files: Annotated[bool, Query(description="Delete its files too.")] = True,
) -> Response:
    """409 while jobs need it. Ids may contain slashes, plain or as %2F."""
    await remove(context_of(request), jobs_of(request), name, request.receive, files=remove_files)
    return json_response(model_deleted(name, removed_files=remove_files))


RESOURCE = Resource(OPENAI, routers=(router,))
