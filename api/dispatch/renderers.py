"""From a job to the response that a client of its kind expects, now or when it polls for it later."""

from collections.abc import Callable
from typing import Any

from api.mlxgui.generate.schema import generated
from api.models.changed import model_changed
from api.models.downloaded import downloaded
from api.openai.chat.render import chat_completion
from api.openai.completions.render import text_completion
from api.openai.embeddings.schema import embedding_list
from api.openai.images.render import images_response
from api.openai.speech.schema import spoken
from api.openai.transcription.schema import transcribed
from config.values import JsonObject
from jobs.kinds import Kind

#: (job id, meta, the worker's result) → the body of the response
_Answer = Callable[[str, dict[str, Any], dict[str, Any]], JsonObject]

_ANSWERS: dict[str, _Answer] = {
    Kind.CHAT: chat_completion,
    Kind.COMPLETION: text_completion,
    Kind.GENERATE: generated,
    Kind.EMBEDDING: embedding_list,
    Kind.TRANSCRIPTION: transcribed,
    Kind.TRANSLATION: transcribed,
    Kind.DOWNLOAD: downloaded,
    Kind.LOAD: model_changed,
    Kind.UNLOAD: model_changed,
}


def answer(kind: str, job_id: str, meta: dict[str, Any], result: dict[str, Any], base: str) -> JsonObject:
    """`base`: the server's own address, as its client knows it. Raises KeyError for a kind that no route submits."""
    if kind == Kind.IMAGE:
        return images_response(job_id, meta, result, base)
    if kind == Kind.SPEECH:
        return spoken(job_id, meta, result, base)
    return _ANSWERS[kind](job_id, meta, result)
