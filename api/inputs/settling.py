"""What is done to every chat once its model is known, in any dialect.

Schemas, tools and images are made what the engine takes, what changes with every request is left out, and what an
alias says is put in. What will not be heeded is told in the `warning` header.
"""

from collections.abc import Iterable, Mapping

from msgspec import structs
from starlette.requests import Request

from api.http.answers.warning import warned
from api.http.bodies.uploads import uploads_of
from api.http.context import context_of
from api.inputs.chat_images import settle_images
from api.inputs.documents import settle_documents
from api.inputs.grammar import Wanted, settle_schemas
from api.inputs.length import check_length
from api.inputs.stored_files import read_stored
from api.inputs.volatile import without_volatile
from jobs.payloads import ChatPayload
from mlxq.catalog import ModelRef

#: How the warning ends for a model whose templates have none.
_NO_TOOLS = "the model's template has no place for tools: they are described in the system prompt"


async def settle(
    request: Request,
    ref: ModelRef,
    payload: ChatPayload,
    enforced: Iterable[Wanted],
    headers: Mapping[str, str],
    unheeded: Iterable[str] = (),
) -> tuple[ChatPayload, dict[str, str]]:
    """The payload for this model, and the response's headers. `unheeded`: what else is to be told.

    Raises InvalidRequest for what can't be enforced or read or is too long, and PayloadTooLarge.
    """
    context, uploads = context_of(request), uploads_of(request)
    if context.settings.normalise_prompts:
        payload = structs.replace(payload, messages=without_volatile(payload.messages))
    if ref.alias is not None:
        payload = ref.alias.fill(payload)
    await read_files(request, payload)
    await check_length(request, ref, payload)
    payload, loosened = await settle_schemas(list(enforced), payload)
    told = [*unheeded, *loosened]
    if payload.tools is not None and ref.card is not None and ref.card.toolless:
        told.append(_NO_TOOLS)
    headers = warned(headers, told)
    return payload, await settle_images(context, uploads, ref, payload.messages, headers)


async def read_files(request: Request, payload: ChatPayload) -> None:
    """Put the texts of documents in their places. Raises InvalidRequest, NotFound and PayloadTooLarge."""
    await read_stored(request, payload.messages)
    await settle_documents(context_of(request).settings, payload.messages)
