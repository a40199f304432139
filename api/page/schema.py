"""The JSON of `/`."""

from typing import Literal

from typing_extensions import TypedDict


class Server(TypedDict):
    name: Literal["mlxq"]
    version: str
    status: Literal["running"]
