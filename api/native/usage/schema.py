"""The bodies of `/v1/usage`."""

from typing import Literal

from typing_extensions import TypedDict


class UsageFigures(TypedDict):
    """Sums over jobs that have ended.

    `requests` are those of all four outcomes. Tokens, images, seconds of audio and characters are those of completed
    ones; `device_seconds` is how long jobs ran. `cost` is what a cloud would have asked for those whose model has a
    price, null if none has one; `unpriced_requests` are the completed ones of other models.
    """

    requests: int
    completed: int
    failed: int
    cancelled: int
    expired: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    images: int
    audio_seconds: float
    characters: int
    device_seconds: float
    cost: float | None
    unpriced_requests: int


class UsageRow(UsageFigures):
    """The sums of a group. What it is not grouped by is null.

    `app` and `model` are also null in the row of what was too much for a day to be told apart; `key` is null without
    one.
    """

    object: Literal["usage"]
    id: str
    day: str | None
    app: str | None
    key: str | None
    model: str | None
    kind: str | None


class PricesUsed(TypedDict):
    date: str
    currency: str


#: In JSON the days of the list are `from` and `to`, both included.
UsageList = TypedDict(
    "UsageList",
    {
        "object": Literal["list"],
        "from": str,
        "to": str,
        "group_by": list[str],
        "data": list[UsageRow],
        "total": UsageFigures,
        "prices": PricesUsed,
        "has_more": bool,
        "first_id": str | None,
        "last_id": str | None,
    },
)
