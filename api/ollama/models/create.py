"""`POST /api/create` and `/api/copy`: aliases of models, with parameters and a system prompt."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from api.http.answers.json_response import json_response
from api.http.bodies.body import ignored_fields, read_body, validate
from api.http.bodies.fields import RequestModel
from api.http.context import context_of, jobs_of
from api.http.middleware.security import at_the_machine
from api.http.openapi import gives, gives_text, streams_lines, takes
from api.ollama.dialect import LINES, line, not_found
from api.ollama.models.answer import Pulling
from api.ollama.models.modelfile import REFUSED, read_modelfile
from api.ollama.models.request import Name, NamedModel
from api.ollama.options import Options
from jobs.errors import Conflict, InvalidRequest, ModelNotFound
from jobs.models.alias import ModelAlias
from mlxq.catalog import plain_name
from mlxq.catalog.alias_file import check_name

router = APIRouter(tags=["ollama"])

#: What Ollama reports on its way.
_STEPS = ("reading model metadata", "creating system layer", "writing manifest", "success")


class CreateRequest(NamedModel):
    """`modelfile` says the same as `from`, `system` and `parameters`."""

    # `from` is the name of `from_`.
    harmless = NamedModel.harmless | {"from", "path"}
    inside: ClassVar[Mapping[str, type[RequestModel]]] = {"parameters": Options}

    from_: Name | None = Field(default=None, alias="from")
    system: Annotated[str, Field(max_length=1_000_000)] | None = None
    parameters: Options | None = None
    modelfile: str | None = None
    stream: bool = True
    template: str | None = None
    adapters: dict[str, str] | None = None
    messages: list[object] | None = None
    files: dict[str, str] | None = None
    quantize: str | None = None


class CopyRequest(RequestModel):
    source: Name
    destination: Name


@router.post(
    "/api/create",
    summary="Give a model an alias with parameters, in Ollama's shape",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=takes(CreateRequest) | gives(Pulling) | streams_lines(Pulling),
)
async def create(request: Request) -> Response:
    body = await read_body(request, CreateRequest)
    asked = body.value
    for field, reason in REFUSED.items():
        if getattr(asked, field):
            raise InvalidRequest(reason, param=field, code="unsupported_value")
    base, system, parameters = asked.from_, asked.system, asked.parameters
    if asked.modelfile is not None:
        # What the request says itself counts more.
        modelfile = asked.modelfile
        read = await body.work(lambda: read_modelfile(modelfile))
        written = validate(CreateRequest, {"model": asked.said, **read})
        body = replace(body, ignored=(*body.ignored, *ignored_fields(CreateRequest, read)))
        base, system, parameters = (
            base or written.from_,
            system or written.system,
            parameters or written.parameters,
        )
    if base is None:
        raise InvalidRequest("A model is made FROM another one: 'from' names it.", param="from")
    alias = _with(await _alias_of(request, base), system, parameters)
    await _give(request, asked.said, alias, "model")
    if not asked.stream:
        return json_response({"status": _STEPS[-1]}, headers=body.headers)
    return Response(b"".join(line({"status": each}) for each in _STEPS), headers={**LINES, **body.headers})


@router.post(
    "/api/copy",
    summary="Give a model one more name, in Ollama's shape",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=takes(CopyRequest) | gives_text("text/plain"),
)
async def copy(request: Request) -> Response:
    body = await read_body(request, CopyRequest)
    await _give(request, body.value.destination, await _alias_of(request, body.value.source), "destination")
    return Response(headers=body.headers, media_type="text/plain")


async def _alias_of(request: Request, name: str) -> ModelAlias:
    """What a name means, with the defaults that it has as an alias. Raises ModelNotFound."""
    try:
        ref = await context_of(request).look_up(jobs_of(request), plain_name(name))
    except ModelNotFound:
        raise not_found(name) from None
    return msgspec.structs.replace(ref.alias or ModelAlias(model=ref.id), model=ref.id)


def _with(alias: ModelAlias, system: str | None, parameters: Options | None) -> ModelAlias:
    """The same with other defaults. Raises InvalidRequest."""
    more: dict[str, Any] = {**(parameters or Options()).sampling(), "system": system}
    if more["max_tokens"] == -1:
        more["max_tokens"] = None
    given = {name: value for name, value in more.items() if value is not None}
    try:
        return msgspec.convert({**msgspec.to_builtins(alias), **given}, ModelAlias)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"Invalid 'parameters': {error}.", param="parameters") from None


async def _give(request: Request, name: str, alias: ModelAlias, param: str) -> None:
    """Raises InvalidRequest, and Conflict for the name of a model."""
    context, jobs, plain = context_of(request), jobs_of(request), plain_name(name)
    try:
        check_name(plain)
    except ValueError as error:
        raise InvalidRequest(f"Invalid '{param}': {error}.", param=param) from None
    catalog = await context.models.look(jobs)
    if plain in catalog.names or await asyncio.to_thread(catalog.is_model, plain):
        raise Conflict(f"The name '{plain}' is that of a model: choose another one.", param=param)
    await context.names.give_alias(jobs, plain, alias)
    context.models.forget()
