"""OminiX' `/v1/models/status`, `/v1/models/load`, `/v1/models/unload` and `/v1/models/download`."""

from fastapi import APIRouter, Depends, Request, Response

from api.dispatch.job_schema import by_job
from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.bodies.body import read_body
from api.http.context import Context, context_of, jobs_of
from api.http.job_options.prefer import preference
from api.http.middleware.security import at_the_machine
from api.http.openapi import gives, takes
from api.models.changed import ModelChanged
from api.models.downloaded import Downloaded
from api.models.install import install
from api.models.inventory import inventory
from api.models.loading import check_served, unload_types
from api.models.loading import load as load_model
from api.models.renderers import model_renderers
from api.ominix.dialect import OMINIX
from api.ominix.models.render import model_status
from api.ominix.models.schema import DownloadRequest, LoadedStatus, LoadRequest, UnloadRequest
from api.openai.speech.voices import loadable_voice
from jobs.errors import InvalidRequest
from jobs.kinds import Category
from jobs.meta import LoadMeta
from mlxq.catalog import ModelRef
from mlxq.catalog.aliases import DEFAULT
from mlxq.media.formats import RECORDING_SUFFIXES

router = APIRouter(tags=["models"])


@router.get(
    "/v1/models/status",
    summary="The loaded model of each category",
    response_class=Response,
    openapi_extra=gives(LoadedStatus),
)
async def status(request: Request) -> Response:
    """A language model that reads pictures is both `llm` and `vlm`."""
    return json_response(model_status(await inventory(context_of(request), jobs_of(request))))


@router.post(
    "/v1/models/load",
    summary="Load a model, or switch to it",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=takes(LoadRequest) | by_job(ModelChanged),
)
async def load(request: Request) -> Response:
    body = await read_body(request, LoadRequest)
    wanted = body.value
    asked = "llm" if wanted.model_type == "vlm" else wanted.model_type
    context = context_of(request)
    jobs = jobs_of(request)
    # OminiX' clients load a voice where they mean the model that speaks.
    is_voice = asked == "tts" and wanted.model.lower().endswith(RECORDING_SUFFIXES)
    name = DEFAULT if is_voice else wanted.model
    model_type = asked or (await context.look_up(jobs, name)).category or "llm"
    await check_served(jobs, model_type)
    ref = await context.at_hand(await context.resolve(jobs, name, Category(model_type)))
    if is_voice:
        await jobs.load_voice(await _voice(context, ref, wanted.model))
    meta = LoadMeta(
        model=ref.id,
        message=f"Model '{ref.id}' loaded successfully",
        model_type=wanted.model_type or model_type,
    )
    preferred = preference(request.headers, background=bool(wanted.background))
    return await load_model(
        request,
        OMINIX,
        Category(model_type),
        ref,
        meta,
        preferred,
        headers=body.headers,
        worker=wanted.worker,
    )


async def _voice(context: Context, ref: ModelRef, path: str) -> str:
    """The recording of this path, which speaks for requests without a voice from now on. Raises InvalidRequest."""
    try:
        return await loadable_voice(context, ref, path)
    except InvalidRequest as error:
        raise InvalidRequest(
            error.message.replace("'voice'", "'model'"), param="model", code=error.code
        ) from None


@router.post(
    "/v1/models/unload",
    summary="Free the memory of a category's model, or of all",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=takes(UnloadRequest) | by_job(ModelChanged),
)
async def unload(request: Request) -> Response:
    body = await read_body(request, UnloadRequest)
    wanted = body.value
    category = "llm" if wanted.model_type == "vlm" else wanted.model_type
    if category in (Category.TTS, "all"):
        await jobs_of(request).load_voice(None)
    preferred = preference(request.headers, background=bool(wanted.background))
    return await unload_types(
        request,
        OMINIX,
        wanted.model_type,
        category,
        preferred,
        headers=body.headers,
        worker=wanted.worker,
    )


@router.post(
    "/v1/models/download",
    summary="Fetch a model from its hub",
    response_class=Response,
    dependencies=[Depends(at_the_machine)],
    openapi_extra=takes(DownloadRequest) | by_job(Downloaded),
)
async def download(request: Request) -> Response:
    body = await read_body(request, DownloadRequest)
    wanted = body.value
    preferred = preference(request.headers, background=bool(wanted.background))
    return await install(request, OMINIX, wanted.repo_id, None, "repo_id", preferred, body.headers)


RESOURCE = Resource(OMINIX, routers=(router,), renderers=model_renderers(OMINIX))
