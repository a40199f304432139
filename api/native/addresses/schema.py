"""The answer of `/v1/addresses`."""

from typing import Literal

from typing_extensions import TypedDict


class AddressList(TypedDict):
    """URLs of the server for other machines, each with a slash at its end. None: it listens on this machine only."""

    object: Literal["list"]
    addresses: list[str]
