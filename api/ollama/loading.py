"""Requests without an input: Ollama's clients load a model by one, and unload it by one with `keep_alive` 0."""

from collections.abc import Mapping
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from api.dispatch.renderers import Answered, Renderer
from api.http.job_options.prefer import preference
from api.models.loading import load, unload
from api.ollama.chat.answer import OllamaChat, OllamaGenerated
from api.ollama.chat.render import AskedMeta, ended
from api.ollama.dialect import OLLAMA, here, named
from api.ollama.embed.answer import Embedded, EmbeddedPrompt
from api.ollama.request import ModelRequest
from jobs.kinds import Category, Kind
from jobs.meta import LoadMeta
from jobs.results import LoadResult

Verb = Literal["chat", "generate", "embed", "embeddings"]


class LoadedMeta(LoadMeta, frozen=True, kw_only=True):
    """`verb`: the path that was asked. `name`: the model as the client called it."""

    verb: Verb = "chat"
    name: str

    @staticmethod
    def of(verb: Verb, name: str, model: str, category: str) -> "LoadedMeta":
        return LoadedMeta(model=model, message="", model_type=str(category), verb=verb, name=name)


def loaded(
    job: Answered[LoadedMeta, LoadResult],
) -> OllamaChat | OllamaGenerated | Embedded | EmbeddedPrompt:
    """What a request without an input is answered with."""
    verb, name = job.meta.verb, job.meta.name
    if verb == "embed":
        return {"model": name, "embeddings": []}
    if verb == "embeddings":
        return {"embedding": []}
    reason: Literal["load", "unload"] = "load" if job.result.status == "loaded" else "unload"
    return ended(AskedMeta(model=name, chat=verb == "chat"), reason)


async def change(
    request: Request,
    verb: Verb,
    asked: ModelRequest,
    headers: Mapping[str, str],
    category: Category = Category.LLM,
) -> Response:
    """Load the model; or unload it, of whatever category it is, if it is not to be kept."""
    preferred = preference(request.headers)
    if asked.keep_alive == 0:
        entry = await here(request, asked.model)
        meta = LoadedMeta.of(verb, asked.model, entry.id, entry.category)
        return await unload(request, OLLAMA, Category(entry.category), entry.id, meta, preferred)
    ref = await named(request, asked.model, category)
    meta = LoadedMeta.of(verb, asked.model, ref.id, category)
    return await load(
        request, OLLAMA, category, ref, meta, preferred, headers=headers, keep_alive=asked.keep_alive
    )


LOADS = (
    Renderer(OLLAMA, Kind.LOAD, LoadedMeta, loaded),
    Renderer(OLLAMA, Kind.UNLOAD, LoadedMeta, loaded),
)
