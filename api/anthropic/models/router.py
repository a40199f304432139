"""`GET /v1/models` for clients that send `anthropic-version`: OpenAI has the same address."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from api.anthropic.dialect import ANTHROPIC
from api.anthropic.models.schema import ModelCapabilities, ModelInfo, ModelPage, Support
from api.anthropic.route import AnthropicRoute, named
from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.context import context_of, jobs_of
from api.http.openapi import gives
from api.models.entry import ModelEntry
from api.models.inventory import find, inventory
from jobs.errors import InvalidRequest
from jobs.kinds import Category

#: OpenAI's routes of these addresses are the ones that `/openapi.json` describes.
router = APIRouter(
    tags=["models"], route_class=AnthropicRoute, include_in_schema=False, dependencies=[Depends(named)]
)


@router.get("/v1/models", response_class=Response, openapi_extra=gives(ModelPage))
async def list_models(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1000)] = 20,
    before_id: str | None = None,
    after_id: str | None = None,
) -> Response:
    entries = await inventory(context_of(request), jobs_of(request))
    chats = [each for each in entries if each.category == Category.LLM]
    models = [model_info(each) for each in chats]
    models += [model_info(each, name) for each in chats for name in each.aliases if name != each.id]
    return json_response(page(models, limit, before_id, after_id))


@router.get("/v1/models/{name:path}", response_class=Response, openapi_extra=gives(ModelInfo))
async def model(request: Request, name: str) -> Response:
    return json_response(model_info(await find(context_of(request), jobs_of(request), name)))


def model_info(entry: ModelEntry, alias: str = "") -> ModelInfo:
    return {
        "type": "model",
        "id": alias or entry.id,
        "display_name": alias or entry.given_name or entry.id,
        "created_at": datetime.fromtimestamp(entry.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
        "max_input_tokens": entry.context_length,
        "max_tokens": entry.context_length,
        "capabilities": _capabilities(sees=entry.sees, thinks=entry.card is not None and entry.card.thinks),
        "line": None,
        "deprecated_at": None,
        "retires_at": None,
    }


def _capabilities(*, sees: bool, thinks: bool) -> ModelCapabilities:
    yes, no = Support(supported=True), Support(supported=False)
    thinking = Support(supported=thinks)
    return {
        "batch": yes,
        "citations": no,
        "code_execution": no,
        "context_management": no,
        "effort": {
            **thinking,
            "low": thinking,
            "medium": thinking,
            "high": thinking,
            "xhigh": thinking,
            "max": thinking,
        },
        "image_input": Support(supported=sees),
        "pdf_input": yes,
        "server_tools": {**no, "code_execution": no, "web_search": no},
        "structured_outputs": yes,
        "thinking": {
            **thinking,
            "types": {"adaptive": thinking, "between_tools": thinking, "disabled": yes, "enabled": thinking},
        },
    }


def page(models: Sequence[ModelInfo], limit: int, before: str | None, after: str | None) -> ModelPage:
    """At most `limit` of these: those just before an id, or those after one. Raises InvalidRequest for another id."""
    places = {each["id"]: place for place, each in enumerate(models)}
    for name, cursor in (("before_id", before), ("after_id", after)):
        if cursor is not None and cursor not in places:
            raise InvalidRequest(f"No model with id '{cursor[:100]}' to go on from.", param=name)
    if before is not None:
        end = places[before]
        start = max(0, end - limit)
        more = start > 0
    else:
        start = 0 if after is None else places[after] + 1
        end = start + limit
        more = end < len(models)
    shown = list(models[start:end])
    return {
        "data": shown,
        "has_more": more,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
    }


RESOURCE = Resource(ANTHROPIC, routers=(router,))
