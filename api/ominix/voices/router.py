"""`GET /v1/voices`: the voices that speech requests may name."""

import asyncio

from fastapi import APIRouter, Request, Response

from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.context import Context, context_of, jobs_of
from api.http.openapi import gives
from api.ominix.dialect import OMINIX
from api.ominix.voices.schema import VoiceList, VoiceRow
from api.openai.speech.voices import voices_of
from jobs.kinds import Category
from mlxq.catalog import Catalog, UnknownModel
from mlxq.catalog.aliases import DEFAULT

router = APIRouter(tags=["audio"])


@router.get(
    "/v1/voices",
    summary="The voices of voices.json and of the speech model",
    response_class=Response,
    openapi_extra=gives(VoiceList),
)
async def voices(request: Request) -> Response:
    catalog = await context_of(request).models.look(jobs_of(request))
    return json_response(await asyncio.to_thread(_list, context_of(request), catalog))


def _list(context: Context, catalog: Catalog) -> VoiceList:
    registered = context.voices.read()
    try:
        own = voices_of(catalog.resolve(DEFAULT, Category.TTS))
    except UnknownModel:
        own = ()
    rows: list[VoiceRow] = [
        {
            "name": voice.name,
            "aliases": list(voice.aliases),
            "source": "registry",
            "speed_factor": voice.speed,
            "has_transcript": voice.text is not None,
        }
        for voice in registered.voices
    ]
    rows += [{"name": name, "aliases": [], "source": "model"} for name in own]
    return {"object": "list", "voices": rows, "default_voice": registered.default}


RESOURCE = Resource(OMINIX, routers=(router,))
