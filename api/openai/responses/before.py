"""The conversation that a request goes on from: what it means by `previous_response_id` and by references to items.

A few bytes can name megabytes, any number of times: so what is named is counted, and read off the event loop.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from pydantic import TypeAdapter
from starlette.requests import Request

from api.http.bodies.body import Body, apart
from api.http.context import context_of, jobs_of
from api.openai.responses.ask import Ask
from api.openai.responses.dialect import PREFIX, ResponseNotFound
from api.openai.responses.items import InputItem, Items, ReferenceItem
from api.openai.responses.schema import Asked
from api.openai.responses.store import Kept, Stored, asked_with, sent_items, stored
from jobs.errors import InvalidRequest, NotFound, PayloadTooLarge
from jobs.kept import keep_on
from jobs.status import JobStatus

#: Responses that a conversation may go back, and that a request may name.
_LONGEST = 2_000
#: Bodies of the largest size that all named items may be worth.
_BODIES = 4
#: Bytes of references above which they are resolved off the event loop.
_MANY = 1 << 15
#: Ids of items that this server gave: the response's own with a place, in its input where there is an `i`.
_ITEM_ID = re.compile(r"[a-z]{1,8}_([0-9a-f]{24})(i?)([0-9]{2,6})")
AnyAsked = TypeVar("AnyAsked", bound=Asked)
_ITEMS: TypeAdapter[list[InputItem]] = TypeAdapter(Items)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A stored response with its items in JSON: those that it was asked with, and those that it has made."""

    stored: Stored
    asked: Kept
    sent: list[dict[str, Any]]
    made: list[dict[str, Any]]

    @staticmethod
    def of(found: Stored, asked: Kept) -> "_Turn":
        return _Turn(found, asked, sent_items(asked, found.info.id), found.output())

    @property
    def size(self) -> int:
        result = self.stored.info.result
        return len(bytes(self.asked.input)) + (0 if result is None else len(bytes(result)))


class Before:
    """What a request names, read from the store."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._turns: dict[str, _Turn] = {}
        self._limit = self._room = _BODIES * context_of(request).settings.max_body_bytes

    async def items(self, previous: str | None) -> list[InputItem]:
        """The items of a response and of all those before it, in order. Raises InvalidRequest."""
        turns: list[list[InputItem]] = []
        while previous is not None:
            if len(turns) >= 2 * _LONGEST:
                raise _not_found(previous, "goes back too far")
            turn = await self._completed(previous)
            self._take(turn.size)
            made, sent = await apart(turn.size, lambda each=turn: (_read(each.made), _read(each.sent)))  # type: ignore[misc]
            turns += [made, await self.resolved(sent)]
            previous = turn.asked.previous
        if self._turns:
            ttl = int(context_of(self._request).settings.result_ttl)
            infos = [each.stored.info for each in self._turns.values()]
            await keep_on(jobs_of(self._request).redis, [info for info in infos if info.status.terminal], ttl)
        return [item for turn in reversed(turns) for item in turn]

    async def resolved(self, items: Sequence[InputItem]) -> list[InputItem]:
        """The items with what references mean in their place. Raises NotFound and PayloadTooLarge."""
        references = [item.id for item in items if isinstance(item, ReferenceItem)]
        if not references:
            return list(items)
        for item_id in references:
            try:
                await self._turn(PREFIX + _parts(item_id)[0])
            except ResponseNotFound:
                raise _missing(item_id) from None

        def meant() -> list[InputItem]:
            return [self._meant(each.id) if isinstance(each, ReferenceItem) else each for each in items]

        return await apart(_MANY + 1, meant)

    async def _completed(self, response_id: str) -> _Turn:
        try:
            turn = await self._turn(response_id)
        except ResponseNotFound:
            raise _not_found(response_id, "not found") from None
        if turn.stored.info.status is not JobStatus.COMPLETED:
            raise _not_found(response_id, f"has no answer: it is {turn.stored.info.status.value}")
        return turn

    async def _turn(self, response_id: str) -> _Turn:
        turn = self._turns.get(response_id)
        if turn is None:
            if len(self._turns) >= _LONGEST:
                raise InvalidRequest(f"A request may go on from {_LONGEST} responses at most.", param="input")
            found, asked = (
                await stored(self._request, response_id),
                await asked_with(self._request, response_id),
            )
            turn = await apart(len(bytes(asked.input)), lambda: _Turn.of(found, asked))
            self._turns[response_id] = turn
        return turn

    def _meant(self, item_id: str) -> InputItem:
        response_id, in_input, place = _parts(item_id)
        turn = self._turns[PREFIX + response_id]
        items = turn.sent if in_input else turn.made
        if place >= len(items) or items[place]["id"] != item_id or items[place]["type"] == "item_reference":
            raise _missing(item_id)
        self._take(len(orjson.dumps(items[place])))
        return _read([items[place]])[0]

    def _take(self, size: int) -> None:
        """Raises PayloadTooLarge."""
        self._room -= size
        if self._room < 0:
            raise PayloadTooLarge(
                f"The conversation is larger than {self._limit / 2**20:g} MB: begin a new one, or send less of it.",
                param="input",
            )


async def ask_of(request: Request, body: Body[AnyAsked]) -> Ask:
    """A request with the conversation that it goes on from. Raises InvalidRequest, NotFound and PayloadTooLarge."""
    before = Before(request)
    asked = body.value
    earlier = await before.items(asked.previous_response_id)
    asked = asked.model_copy(update={"input": await before.resolved(asked.input)})
    return await body.work(lambda: Ask.of(asked, earlier))


def _read(items: list[dict[str, Any]]) -> list[InputItem]:
    return _ITEMS.validate_python(items)


def _parts(item_id: str) -> tuple[str, bool, int]:
    """The response of an item, whether it is one of its input, and its place. Raises NotFound for other ids."""
    found = _ITEM_ID.fullmatch(item_id)
    if found is None:
        raise _missing(item_id)
    return found[1], bool(found[2]), int(found[3])


def _missing(item_id: str) -> NotFound:
    return NotFound(f"Item with id '{item_id[:100]}' not found.", param="input")


def _not_found(response_id: str, what: str) -> InvalidRequest:
    return InvalidRequest(
        f"Previous response with id '{response_id[:100]}' {what}.",
        param="previous_response_id",
        code="previous_response_not_found",
    )
