"""The answer of `/v1/checks`."""

from typing import Literal

from typing_extensions import TypedDict


class Check(TypedDict):
    """`text` says how it stands. `command` mends it, in a terminal; null where there is none or nothing to mend."""

    name: str
    state: Literal["ok", "warning", "error"]
    text: str
    command: str | None


class Checks(TypedDict):
    """What is wrong comes first."""

    object: Literal["list"]
    data: list[Check]
