"""`GET /v1/voices`: the voices that speech requests may name."""

import asyncio
import contextlib

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
from mlxq.catalog.families.system_voice import SYSTEM_VOICE

router = APIRouter(tags=["audio"])


@router.get(
    "/v1/voices",
    summary="The voices of voices.json and of the speech model",
    response_class=Response,
    openapi_extra=gives(VoiceList),
)
async def voices(request: Request) -> Response:
    context, jobs = context_of(request), jobs_of(request)
    catalog, loaded = await context.models.look(jobs), await jobs.loaded_voice()
    return json_response(await asyncio.to_thread(_list, context, catalog, loaded))


def _list(context: Context, catalog: Catalog, loaded: str | None) -> VoiceList:
    registered = context.voices.read()
    default = registered.default if loaded is None else None
    own: tuple[str, ...] = ()
    with contextlib.suppress(UnknownModel):
        ref = catalog.resolve(DEFAULT, Category.TTS)
        if own := voices_of(ref):
            by_language = ref.card is not None and ref.card.family_name == SYSTEM_VOICE.name
            default = None if by_language else own[0]
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
    return {"object": "list", "voices": rows, "default_voice": default}


RESOURCE = Resource(OMINIX, routers=(router,))
