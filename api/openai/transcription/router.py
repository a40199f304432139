"""`POST /v1/audio/transcriptions` and `POST /v1/audio/translations`."""

from fastapi import APIRouter, Request, Response
from starlette.responses import PlainTextResponse

from api.dispatch.job_schema import by_job
from api.dispatch.job_stream import stream
from api.dispatch.renderers import Answered, Renderer
from api.dispatch.resource import Resource
from api.dispatch.run import run
from api.http.answers.warning import warned
from api.http.job_options.prefer import preference
from api.http.openapi import gives_text, streams, takes_files
from api.openai.dialect import OPENAI
from api.openai.transcription.answer import (
    PlainTranscript,
    Subtitles,
    TranscriptEvent,
    Transcription,
)
from api.openai.transcription.frames import TranscriptFrames
from api.openai.transcription.job import transcription_job
from api.openai.transcription.recording import Upload, read_upload
from api.openai.transcription.render import TranscriptionMeta, document, transcribed
from api.openai.transcription.schema import JsonTranscriptionRequest, TranscriptionRequest
from config.settings import Settings
from jobs.kinds import Kind
from jobs.results import TranscriptionResult

router = APIRouter(tags=["audio"])

#: What answers that are no JSON are called.
_CONTENT_TYPES = {
    "text": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}

_FILE = {"file": {"type": "string", "format": "binary"}}
_BODIES = (
    takes_files(TranscriptionRequest, JsonTranscriptionRequest, _FILE, ("file",))
    | by_job(Transcription, PlainTranscript, Subtitles)
    | gives_text(*_CONTENT_TYPES.values())
    | streams(TranscriptEvent)
)


@router.post(
    "/v1/audio/transcriptions",
    summary="The text of a recording",
    response_class=Response,
    openapi_extra=_BODIES,
)
async def transcriptions(request: Request) -> Response:
    async with await read_upload(request) as upload:
        return await _answer(request, upload, Kind.TRANSCRIPTION)


@router.post(
    "/v1/audio/translations",
    summary="The text of a recording, in English",
    response_class=Response,
    openapi_extra=_BODIES,
)
async def translations(request: Request) -> Response:
    async with await read_upload(request) as upload:
        return await _answer(request, upload, Kind.TRANSLATION)


async def _answer(request: Request, upload: Upload, kind: Kind) -> Response:
    wanted: TranscriptionRequest = upload.body.value
    preferred = preference(request.headers, background=bool(wanted.background))
    job, warnings = await transcription_job(request, upload, kind, preferred)
    told = warned(upload.body.headers, warnings)
    if wanted.stream and preferred.wait != 0:
        return stream(request, job, lambda _: TranscriptFrames(), told)
    form = wanted.response_format
    if form not in _CONTENT_TYPES:
        return await run(request, job, preferred, told)

    def plain(job: Answered[TranscriptionMeta, TranscriptionResult], headers: dict[str, str]) -> Response:
        return PlainTextResponse(
            document(form, job.result), headers={**headers, "content-type": _CONTENT_TYPES[form]}
        )

    return await run(request, job, preferred, told, respond=plain)


def _recording(settings: Settings) -> int:
    return settings.max_audio_bytes


RESOURCE = Resource(
    OPENAI,
    routers=(router,),
    renderers=(
        Renderer(OPENAI, Kind.TRANSCRIPTION, TranscriptionMeta, transcribed),
        Renderer(OPENAI, Kind.TRANSLATION, TranscriptionMeta, transcribed),
    ),
    large={"/v1/audio/transcriptions": _recording, "/v1/audio/translations": _recording},
)
