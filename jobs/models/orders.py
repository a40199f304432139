"""What the API asks of all workers about the models of their machines, and their answers.

An order goes over the channel of commands. Answers come in a list of their own, which expires. It does not know how
an order is carried out.
"""

import asyncio
import secrets
from collections.abc import Collection
from typing import Literal

import msgspec
import redis
import redis.asyncio

from jobs import keys
from jobs.commands import ORDER
from jobs.errors import ErrorFields

#: `look`: publish what is there now. `delete` and `restore` concern one model.
Verb = Literal["look", "delete", "restore"]

#: Seconds that answers are kept for who waits for them, and that one command blocks a connection.
_KEPT, _BLOCK = 120, 5.0


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """`reply`: where the answers go. `files`: the model's files are deleted too."""

    verb: Verb
    reply: str
    model: str = ""
    files: bool = True


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One worker's. It has published what changed before it answers. `found`: it had the model."""

    worker: str
    found: bool = True
    error: ErrorFields | None = None


_orders = msgspec.json.Decoder(Order)
_answers = msgspec.json.Decoder(Answer)


def decode_order(text: str) -> Order | None:
    """None for what no API of this version sent."""
    try:
        return _orders.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def _decode_answer(text: bytes | str) -> Answer | None:
    try:
        return _answers.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def send_answer(connection: redis.Redis, order: Order, answer: Answer) -> None:
    """Raises RedisError."""
    key = keys.answers(order.reply)
    with connection.pipeline(transaction=False) as pipe:
        pipe.rpush(key, msgspec.json.encode(answer))
        pipe.expire(key, _KEPT)
        pipe.execute()


async def ask(
    client: redis.asyncio.Redis,
    workers: Collection[str],
    patience: float,
    verb: Verb,
    model: str = "",
    *,
    files: bool = True,
) -> list[Answer]:
    """The answers of these workers that come in time. Raises RedisError."""
    order = Order(verb, secrets.token_hex(8), model, files)
    text = msgspec.json.encode(order).decode()
    deadline = asyncio.get_running_loop().time() + patience
    await client.publish(keys.COMMANDS, f"{ORDER} {text}")
    answers: dict[str, Answer] = {}
    while not answers.keys() >= set(workers):
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            break
        came = await client.blpop([keys.answers(order.reply)], timeout=min(left, _BLOCK))
        if came is not None and (answer := _decode_answer(came[1])) is not None:
            answers[answer.worker] = answer
    return list(answers.values())
