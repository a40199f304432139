"""`transcribe`, `speak` and `embed`: the jobs of OpenAI's routes for recordings, speech and vectors."""

from api.http.bodies.body import Body, validate
from api.mcp.arguments import string, strings
from api.mcp.call import ToolCall
from api.mcp.content import Content
from api.mcp.sources import recording_source
from api.openai.dialect import OPENAI
from api.openai.embeddings.job import embedding_job
from api.openai.embeddings.schema import EmbeddingRequest
from api.openai.speech.job import speech_job
from api.openai.speech.schema import SpeechRequest
from api.openai.transcription.job import transcription_job
from api.openai.transcription.recording import Upload
from api.openai.transcription.schema import TranscriptionRequest
from jobs.errors import InvalidRequest
from jobs.kinds import Kind

#: Texts of one call. Vectors are long texts in the answer of a tool.
MOST_TEXTS = 64


async def transcribe(call: ToolCall) -> list[Content]:
    fields = {name: value for name, value in call.arguments.items() if name not in ("audio", "translate")}
    wanted = validate(TranscriptionRequest, {"response_format": "text", **fields})
    translate = call.arguments.get("translate", False)
    if not isinstance(translate, bool):
        raise InvalidRequest("Invalid 'translate': it must be true or false.", param="translate")
    source = await recording_source(call.request, string(call.arguments, "audio"), "audio")
    kind = Kind.TRANSLATION if translate else Kind.TRANSCRIPTION
    async with Upload(Body(b"", wanted), source, None) as upload:
        job, warnings = await transcription_job(call.request, upload, kind, call.preference)
    return await call.run(job, warnings)


async def speak(call: ToolCall) -> list[Content]:
    # A file that an answer has room for: a minute and a half, and 15 seconds of WAV.
    wanted = validate(SpeechRequest, {"response_format": "mp3", **call.arguments})
    job, warnings = await speech_job(call.request, wanted, call.preference, OPENAI, live=False)
    return await call.run(job, warnings)


async def embed(call: ToolCall) -> list[Content]:
    strings(call.arguments, "input", MOST_TEXTS)
    wanted = validate(EmbeddingRequest, {"model": "default", **call.arguments})
    return await call.run(await embedding_job(call.request, wanted, call.preference), [])
