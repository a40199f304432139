"""From a request for speech to its job, for both ways that it can come."""

import asyncio
from dataclasses import replace

from starlette.requests import HTTPConnection

from api.dispatch.submission import job_request, model_of
from api.http.bodies.uploads import uploads_of
from api.http.context import context_of, jobs_of
from api.http.job_options.prefer import Preference
from api.http.routes.dialect import Dialect
from api.openai.speech.schema import SpeechRequest
from api.openai.speech.voices import settle_voice
from jobs.errors import HubUnavailable, InvalidRequest, ModelNotFound, NotSupported
from jobs.kinds import Category, Kind
from jobs.meta import Meta
from jobs.request import JobRequest
from mlxq.catalog import ModelRef
from mlxq.catalog.families.speech import REFERENCE_TEXT
from mlxq.catalog.families.table import lacking_libraries

#: Largest number of audio bytes for each character: a tenth of a second of WAV.
_BYTES_PER_CHARACTER = 4800


async def speaker_of(connection: HTTPConnection, name: str) -> ModelRef:
    """The model that speaks. What can't run here is said before it is fetched: NotSupported."""
    lacking = await asyncio.to_thread(lacking_libraries, name)
    try:
        ref = await model_of(connection, name, Category.TTS)
    except (ModelNotFound, HubUnavailable):
        if lacking is not None:
            raise NotSupported(lacking, param="model") from None
        raise
    if not ref.installed and lacking is not None:
        raise NotSupported(lacking, param="model")
    return ref


async def speech_job(
    connection: HTTPConnection,
    wanted: SpeechRequest,
    preference: Preference,
    dialect: Dialect,
    *,
    live: bool,
) -> tuple[JobRequest, list[str]]:
    """The job, and warnings about parameters without an effect. `live`: its audio is sent while it is made.

    Raises InvalidRequest, ModelNotFound and NotSupported.
    """
    context = context_of(connection)
    settings = context.settings
    if len(wanted.input) > settings.max_speech_characters:
        raise InvalidRequest(
            f"Invalid 'input': it has {len(wanted.input)} characters; {settings.max_speech_characters} are taken.",
            param="input",
            code="string_above_max_length",
        )
    ref = await speaker_of(connection, wanted.model)
    await asyncio.to_thread(context.blobs.check_room, len(wanted.input) * _BYTES_PER_CHARACTER)
    loaded = await jobs_of(connection).loaded_voice() if wanted.needs_usual_voice else None
    voice = await settle_voice(context, uploads_of(connection), ref, wanted, loaded)
    warnings = _without_effect(ref, wanted, voice.reference is not None)
    job = job_request(
        connection,
        dialect=dialect,
        kind=Kind.SPEECH,
        model=ref,
        payload=wanted.payload(voice, live=live),
        meta=Meta(model=wanted.model),
        preference=preference,
        asked=wanted,
        stream=live,
    )
    # Who stops listening does not want to hear the rest.
    return (replace(job, linger=0.0) if live else job), warnings


def _without_effect(ref: ModelRef, wanted: SpeechRequest, recording: bool) -> list[str]:
    """What was asked for and the model takes no notice of."""
    taken = ref.card.options if ref.card is not None else None
    asked = {
        "instructions": wanted.instructions or wanted.instruct,
        "language": wanted.language,
        "reference_text": wanted.transcript,
    }
    warnings = [
        f"'{name}' has no effect: the model '{ref.id}' takes none"
        for name, value in asked.items()
        if value and taken is not None and name not in taken
    ]
    if wanted.transcript and not recording and (taken is None or REFERENCE_TEXT in taken):
        warnings.append("'reference_text' has no effect without the recording of a voice")
    return warnings
