"""`POST /v1/audio/speech`."""

from fastapi import APIRouter, Request, Response

from api.dispatch.artifacts import artifacts
from api.dispatch.file_response import file_response
from api.dispatch.job_schema import made_by_job
from api.dispatch.job_stream import stream
from api.dispatch.renderers import Answered
from api.dispatch.resource import Resource
from api.dispatch.run import run
from api.http.answers.warning import warned
from api.http.bodies.body import read_body
from api.http.context import context_of
from api.http.job_options.prefer import preference
from api.http.openapi import gives_bytes, streams, takes
from api.openai.dialect import OPENAI
from api.openai.speech.answer import Speech, SpeechEvent
from api.openai.speech.job import speech_job
from api.openai.speech.render import SPEECH
from api.openai.speech.schema import SpeechRequest
from api.openai.speech.stream import FramedSpeech, PlainSpeech
from jobs.meta import Meta
from jobs.results import SpeechResult
from mlxq.media.formats import SPEECH_TYPES, WHOLE

router = APIRouter(tags=["audio"])


@router.post(
    "/v1/audio/speech",
    summary="Speak a text",
    response_class=Response,
    openapi_extra=takes(SpeechRequest)
    | gives_bytes(*SPEECH_TYPES.values())
    | made_by_job(Speech)
    | streams(SpeechEvent),
)
async def speech(request: Request) -> Response:
    body = await read_body(request, SpeechRequest)
    wanted = body.value
    context, form = context_of(request), wanted.response_format
    preferred = preference(request.headers, background=bool(wanted.background))
    live = preferred.synchronous and (wanted.stream_format is not None or form not in WHOLE)
    job, warnings = await speech_job(request, wanted, preferred, OPENAI, live=live)
    told = warned(body.headers, warnings)
    if wanted.stream_format == "sse" and live:
        return stream(request, job, lambda _: FramedSpeech(context), told)
    if live:
        content = {"content-type": SPEECH_TYPES[form]}
        return stream(request, job, lambda _: PlainSpeech(context), told, content=content)

    def whole(job: Answered[Meta, SpeechResult], headers: dict[str, str]) -> Response:
        file = artifacts(job.result)[0]
        return file_response(request, file, f"speech.{file.suffix}", headers)

    return await run(request, job, preferred, told, respond=whole)


RESOURCE = Resource(OPENAI, routers=(router,), renderers=(SPEECH,))
