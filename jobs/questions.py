"""Questions that a model's tokenizer and chat template answer.

They are no jobs: nothing is kept, and they wait for no queue.

A process asks by an entry in a list and a command to the workers; the one that takes the entry answers on the asking
process' channel, as if it ended a job. A worker of another machine has a list of its own, for models that only such
workers have. This module knows Redis; it does not know tokenizers.
"""

import contextlib
import secrets
from typing import Any, TypeAlias, TypeVar

import msgspec
import redis
import redis.asyncio

from jobs import keys
from jobs.bus import ResultBus
from jobs.commands import QUESTION
from jobs.errors import MlxqError, ServiceUnavailable
from jobs.events import Completed, Event, Failed, encode_event
from jobs.models.inventory import holders
from jobs.payloads import ChatPayload
from jobs.redis.clock import CLOCK

#: Seconds that an answer is waited for: a tokenizer may have to be loaded.
PATIENCE = 30.0
#: Questions that may wait.
_MOST = 256
#: Seconds that the list of questions lives without a worker.
_SHORT = 60


class Count(msgspec.Struct, frozen=True, tag=True):
    """How many tokens has the prompt of this chat? The answer is `Counted`."""

    payload: ChatPayload


class Render(msgspec.Struct, frozen=True, tag=True):
    """What is the prompt of this chat? The answer is `Text`."""

    payload: ChatPayload


class Tokenize(msgspec.Struct, frozen=True, tag=True):
    """Which tokens has this text? The answer is `Tokens`.

    `special`: with the tokens that the tokenizer puts around a text. `parsed`: names of special tokens in the text
    mean these tokens. `pieces`: with what each token writes.
    """

    text: str
    special: bool = False
    parsed: bool = True
    pieces: bool = False


class Detokenize(msgspec.Struct, frozen=True, tag=True):
    """Which text do these tokens write? The answer is `Text`."""

    tokens: list[int]


class Describe(msgspec.Struct, frozen=True, tag=True):
    """How are prompts of this model written? The answer is `Template`."""


Asked: TypeAlias = Count | Render | Tokenize | Detokenize | Describe


class Counted(msgspec.Struct, frozen=True):
    tokens: int


class Text(msgspec.Struct, frozen=True):
    text: str


class Tokens(msgspec.Struct, frozen=True):
    """`pieces`: what each token writes, as its bytes where that is no whole character."""

    tokens: list[int]
    pieces: list[str | list[int]] = []


class Template(msgspec.Struct, frozen=True):
    """The chat template, empty for a model without one, and the tokens at the beginning and end of a text."""

    template: str
    bos: str
    eos: str


Answer: TypeAlias = Counted | Text | Tokens | Template
A = TypeVar("A", bound=Answer)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """`process`: the API process that asks. `until`: Unix seconds after which nobody waits for the answer."""

    id: str
    process: str
    until: float
    model: str
    asked: Asked


_QUESTION = msgspec.json.Decoder(Question)


async def ask(
    connection: redis.asyncio.Redis, bus: ResultBus, model: str, asked: Asked, answer: type[A]
) -> A:
    """The answer about an installed model. Raises what the worker says, and ServiceUnavailable."""
    question = Question(
        id=f"question-{secrets.token_hex(12)}",
        process=bus.process,
        until=CLOCK.now() + PATIENCE,
        model=model,
        asked=asked,
    )
    watch = bus.watch(question.id, "", accepted=False)
    try:
        place = await _place(connection, model)
        async with connection.pipeline(transaction=False) as pipe:
            pipe.rpush(place, msgspec.json.encode(question))
            pipe.ltrim(place, -_MOST, -1)
            pipe.expire(place, _SHORT)
            pipe.publish(keys.COMMANDS, QUESTION)
            await pipe.execute()
        entry = await watch.next(PATIENCE)
    finally:
        bus.forget(watch)
    match entry.event if entry is not None else None:
        case Completed(result=result):
            return msgspec.json.decode(result, type=answer)
        case Failed(error=fields):
            raise MlxqError.of(fields)
        case _:
            raise ServiceUnavailable("No worker counts tokens now. Try again in a moment.", retry_after=2)


async def _place(connection: redis.asyncio.Redis, model: str) -> str:
    """The list of those who can answer: the one for all workers here, or that of one of another machine."""
    workers: Any = await connection.smembers(keys.WORKER_STATES)
    # An adapter stands behind its model.
    having = sorted(await holders(connection, workers, model.partition("+")[0]))
    async with connection.pipeline(transaction=False) as pipe:
        for name in having:
            pipe.exists(keys.joined(name))
        joined: list[int] = await pipe.execute() if having else []
    return keys.questions(secrets.choice(having)) if joined and all(joined) else keys.QUESTIONS


def take_question(connection: redis.Redis, place: str = keys.QUESTIONS) -> Question | None:
    """The next question of a list that somebody waits for. Raises RedisError."""
    while (data := connection.lpop(place)) is not None:
        # What another version asks is of no use.
        with contextlib.suppress(msgspec.MsgspecError):
            question = _QUESTION.decode(data)  # type: ignore[arg-type]  # no list without a count
            if question.until > CLOCK.now():
                return question
    return None


def reply(connection: redis.Redis, question: Question, said: Answer | MlxqError) -> None:
    """Raises RedisError."""
    event: Event
    if isinstance(said, MlxqError):
        event = Failed(said.fields())
    else:
        event = Completed(msgspec.Raw(msgspec.json.encode(said)))
    frame = msgspec.json.encode(
        [[question.id, f"{int(CLOCK.now() * 1000)}-0", msgspec.Raw(encode_event(event))]]
    )
    connection.publish(keys.bus(question.process), frame)
