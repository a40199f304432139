"""`GET /props` and `GET /slots`: what the model is, and how many requests it works on."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from typing_extensions import TypeAliasType, TypedDict

from api.dispatch.resource import Resource
from api.dispatch.submission import model_of
from api.dispatch.tokenizers import ask_tokenizer
from api.http.answers.json_response import json_response
from api.http.context import context_of, jobs_of
from api.http.openapi import gives
from api.llamacpp.dialect import LLAMACPP, USUAL_MODEL
from api.models.inventory import find
from config import VERSION
from jobs.errors import ServiceUnavailable
from jobs.kinds import Category
from jobs.questions import Describe, Template

router = APIRouter(tags=["llamacpp"])

ModelQuery = Annotated[str, Query(min_length=1, description="A model; the default one is not named.")]


class LlamaSlot(TypedDict):
    """A place in the batch. `id_task` is -1 where it is free; `n_ctx` is the context of the model, in tokens."""

    id: int
    id_task: int
    n_ctx: int
    speculative: bool
    is_processing: bool


LlamaSlots = TypeAliasType("LlamaSlots", list[LlamaSlot])


class LlamaModalities(TypedDict):
    vision: bool
    audio: bool


class LlamaProps(TypedDict):
    """`model_path` is the model's id: no path of the machine is told."""

    default_generation_settings: LlamaSlot
    total_slots: int
    model_alias: str
    model_path: str
    modalities: LlamaModalities
    chat_template: str
    bos_token: str
    eos_token: str
    build_info: str
    is_sleeping: bool


@router.get("/props", summary="What the model is", response_class=Response, openapi_extra=gives(LlamaProps))
async def props(request: Request, model: ModelQuery = USUAL_MODEL) -> Response:
    """503 while no worker is there to tell the model's template."""
    context, jobs = context_of(request), jobs_of(request)
    ref = await model_of(request, model)
    entry = await find(context, jobs, ref.id)
    template = await ask_tokenizer(request, ref, Describe(), Template)
    answer: LlamaProps = {
        "default_generation_settings": _slot(0, 0, entry.context_length or 0),
        "total_slots": context.settings.batch_size,
        "model_alias": entry.id,
        "model_path": entry.id,
        "modalities": {"vision": entry.sees, "audio": False},
        "chat_template": template.template,
        "bos_token": template.bos,
        "eos_token": template.eos,
        "build_info": f"mlxq-{VERSION}",
        "is_sleeping": not entry.loaded,
    }
    return json_response(answer)


@router.get(
    "/slots",
    summary="The places of the batch of chats",
    response_class=Response,
    openapi_extra=gives(LlamaSlots),
)
async def slots(
    request: Request,
    model: ModelQuery = USUAL_MODEL,
    fail_on_no_slot: Annotated[bool, Query(description="503 where no place is free.")] = False,
) -> Response:
    context, jobs = context_of(request), jobs_of(request)
    ref = await model_of(request, model)
    entry = await find(context, jobs, ref.id)
    running = (await jobs.stats())[Category.LLM].running
    total = max(context.settings.batch_size, running)
    if fail_on_no_slot and running == total:
        raise ServiceUnavailable("No slot is free.", retry_after=1)
    return json_response([_slot(number, running, entry.context_length or 0) for number in range(total)])


def _slot(number: int, running: int, context_length: int) -> LlamaSlot:
    busy = number < running
    return {
        "id": number,
        "id_task": number if busy else -1,
        "n_ctx": context_length,
        "speculative": False,
        "is_processing": busy,
    }


RESOURCE = Resource(LLAMACPP, routers=(router,))
