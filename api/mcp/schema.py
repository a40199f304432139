"""The bodies of `/mcp`, for the description: JSON-RPC. What is in `params` and `result` is the protocol's."""

from typing import Literal

from typing_extensions import TypedDict

from api.http.bodies.fields import RequestModel
from api.mcp.dialect import RpcError
from config.values import JsonObject


class McpRequest(RequestModel):
    """A request, or a notification, which has no `id`."""

    jsonrpc: Literal["2.0"]
    id: str | int | None = None
    method: str
    params: JsonObject | None = None


class McpMessage(TypedDict, total=False):
    """A response: `result` or `error`. In a stream also notifications, which have a `method` and `params`."""

    jsonrpc: Literal["2.0"]
    id: str | int | None
    result: JsonObject
    error: RpcError
    method: str
    params: JsonObject
