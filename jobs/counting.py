"""Questions for the number of tokens of a chat. They are no jobs: nothing is kept, and they wait for no queue.

A process asks by an entry in a list and a command to the workers; the one that takes the entry answers on the asking
process' channel, as if it ended a job. This module knows Redis; it does not know tokenizers.
"""

import contextlib
import secrets
import time

import msgspec
import redis
import redis.asyncio

from jobs import keys
from jobs.bus import ResultBus
from jobs.commands import COUNT
from jobs.errors import MlxqError, ServiceUnavailable
from jobs.events import Completed, Event, Failed, encode_event
from jobs.payloads import ChatPayload

#: Seconds that an answer is waited for: a tokenizer may have to be loaded.
PATIENCE = 30.0
#: Questions that may wait.
_MOST = 256
#: Seconds that the list of questions lives without a worker.
_SHORT = 60


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """`process`: the API process that asks. `until`: Unix seconds after which nobody waits for the answer."""

    id: str
    process: str
    until: float
    model: str
    payload: ChatPayload


class Counted(msgspec.Struct, frozen=True):
    tokens: int


_QUESTION = msgspec.json.Decoder(Question)


async def count_tokens(
    connection: redis.asyncio.Redis, bus: ResultBus, model: str, payload: ChatPayload
) -> int:
    """The tokens of the prompt that this payload becomes. Raises what the worker says, and ServiceUnavailable."""
    question = Question(
        id=f"count-{secrets.token_hex(12)}",
        process=bus.process,
        until=time.time() + PATIENCE,
        model=model,
        payload=payload,
    )
    watch = bus.watch(question.id, "", accepted=False)
    try:
        async with connection.pipeline(transaction=False) as pipe:
            pipe.rpush(keys.COUNTS, msgspec.json.encode(question))
            pipe.ltrim(keys.COUNTS, -_MOST, -1)
            pipe.expire(keys.COUNTS, _SHORT)
            pipe.publish(keys.COMMANDS, COUNT)
            await pipe.execute()
        entry = await watch.next(PATIENCE)
    finally:
        bus.forget(watch)
    match entry.event if entry is not None else None:
        case Completed(result=result):
            return msgspec.json.decode(result, type=Counted).tokens
        case Failed(error=fields):
            raise MlxqError.of(fields)
        case _:
            raise ServiceUnavailable("No worker counts tokens now. Try again in a moment.", retry_after=2)


def take_question(connection: redis.Redis) -> Question | None:
    """The next question that somebody waits for. Raises RedisError."""
    while (data := connection.lpop(keys.COUNTS)) is not None:
        # What another version asks is of no use.
        with contextlib.suppress(msgspec.MsgspecError):
            question = _QUESTION.decode(data)  # type: ignore[arg-type]
            if question.until > time.time():
                return question
    return None


def answer(connection: redis.Redis, question: Question, said: int | MlxqError) -> None:
    """Raises RedisError."""
    event: Event
    if isinstance(said, MlxqError):
        event = Failed(said.fields())
    else:
        event = Completed(msgspec.Raw(msgspec.json.encode(Counted(said))))
    frame = msgspec.json.encode(
        [[question.id, f"{int(time.time() * 1000)}-0", msgspec.Raw(encode_event(event))]]
    )
    connection.publish(keys.bus(question.process), frame)
