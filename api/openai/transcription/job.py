"""From a request with a recording to its job."""

from starlette.requests import Request

from api.dispatch.submission import job_request, model_of
from api.http.bodies.uploads import uploads_of
from api.http.context import context_of
from api.http.job_options.prefer import Preference
from api.openai.dialect import OPENAI
from api.openai.transcription.effect import without_effect
from api.openai.transcription.recording import Upload
from api.openai.transcription.render import TranscriptionMeta
from api.openai.transcription.schema import TranscriptionRequest
from jobs.kinds import Category, Kind
from jobs.request import JobRequest


async def transcription_job(
    request: Request, upload: Upload, kind: Kind, preference: Preference
) -> tuple[JobRequest, list[str]]:
    """The job, and warnings about parameters without an effect. `kind` is a transcription or a translation.

    Raises InvalidRequest, ModelNotFound and PayloadTooLarge.
    """
    wanted: TranscriptionRequest = upload.body.value
    ref = await model_of(request, wanted.model, Category.ASR)
    recording = await upload.store(context_of(request), uploads_of(request))
    translate = kind is Kind.TRANSLATION
    job = job_request(
        request,
        dialect=OPENAI,
        kind=kind,
        model=ref,
        payload=wanted.payload(recording.blob, recording.seconds, translate=translate),
        meta=TranscriptionMeta(
            model=wanted.model,
            response_format=wanted.response_format,
            words=wanted.words,
            segments=wanted.segments,
            task="translate" if translate else "transcribe",
        ),
        preference=preference,
        asked=wanted,
        stream=bool(wanted.stream),
    )
    return job, without_effect(ref, wanted)
