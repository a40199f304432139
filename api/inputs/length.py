"""Whether a large chat fits the context of its model, before it becomes a job that may wait long for that answer.

The worker counts, beside its queues. What is not answered in a moment is left to the job. This module does not know
tokenizers.
"""

import asyncio

from starlette.requests import Request

from api.dispatch.counting import tokens_of
from api.dispatch.slots import held
from api.http.context import jobs_of
from jobs.errors import ContextLengthExceeded, MlxqError
from jobs.payloads import ChatPayload
from mlxq.catalog import ModelRef

#: Characters of messages up to which nothing is asked.
_SHORT = 1 << 14
#: Characters of a token, at least in nearly all texts: shorter messages fit.
_CHARACTERS = 2
#: Seconds that a request waits for the answer.
_PATIENCE = 3.0


async def check_length(request: Request, ref: ModelRef, payload: ChatPayload) -> None:
    """Raises ContextLengthExceeded for messages that are too long for a model in memory, and must not be cut."""
    if payload.truncate:
        return
    size = sum(len(message["content"]) for message in payload.messages if isinstance(message["content"], str))
    if size < _SHORT:
        return
    try:
        slots = [each.slot for each in await held(jobs_of(request)) if each.model == ref.id]
        limit = max((slot.context_length or 0 for slot in slots), default=0)
        if not limit or size < _CHARACTERS * limit:
            return
        async with asyncio.timeout(_PATIENCE):
            tokens = await tokens_of(request, ref, payload)
    except MlxqError as error:
        # One that is far too long was not counted to its end.
        if error.code == ContextLengthExceeded.code:
            raise
        return
    except TimeoutError:
        return
    if tokens >= limit:
        reason = (
            f"This model's maximum context length is {limit} tokens, but the messages have {tokens} tokens"
        )
        raise ContextLengthExceeded.told(reason, tokens, limit - 1, "messages")
