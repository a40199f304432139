"""`POST /v1/models/{name}/generate`: the only request that never loads a model."""

from fastapi import APIRouter, Request, Response

from api.dispatch.job_schema import by_job
from api.dispatch.resource import Resource
from api.dispatch.run import run
from api.dispatch.submission import job_request
from api.http.bodies.body import read_body
from api.http.context import context_of, jobs_of
from api.http.job_options.prefer import preference
from api.http.openapi import takes
from api.mlxgui.dialect import MLXGUI
from api.mlxgui.generate.render import GENERATE, GenerateMeta
from api.mlxgui.generate.schema import Generated, GenerateRequest
from api.models.inventory import find
from jobs.errors import InvalidRequest
from jobs.kinds import Category, Kind

router = APIRouter(tags=["models"])


@router.post(
    "/v1/models/{name:path}/generate",
    summary="Go on with a text, in MLX-GUI's shape",
    response_class=Response,
    openapi_extra=takes(GenerateRequest) | by_job(Generated),
)
async def generate(request: Request, name: str) -> Response:
    """400 when the model is not in memory, 404 when there is none of that name."""
    body = await read_body(request, GenerateRequest)
    wanted = body.value
    model = await find(context_of(request), jobs_of(request), name)
    if not model.loaded or model.category != Category.LLM:
        raise InvalidRequest(
            f"Model '{name}' is not loaded. Load it first with POST /v1/models/{name}/load",
            param="model",
            code="model_not_loaded",
        )
    preferred = preference(request.headers, background=bool(wanted.background))
    job = job_request(
        request,
        dialect=MLXGUI,
        kind=Kind.COMPLETION,
        model=model.id,
        payload=wanted.payload(),
        meta=GenerateMeta(model=name, prompt=wanted.prompt),
        preference=preferred,
        asked=wanted,
    )
    return await run(request, job, preferred, body.headers)


RESOURCE = Resource(MLXGUI, routers=(router,), renderers=(GENERATE,))
