"""The dialect of `/mcp`: how requests are refused that reach no tool. Errors of tools are results."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from api.http.routes.dialect import Dialect
from jobs.errors import MlxqError

#: JSON-RPC's codes for what is not JSON, for what is no valid request, and for errors of the server.
_PARSE_ERROR, _INVALID_REQUEST, _INTERNAL_ERROR = -32700, -32600, -32603
_LONGEST_MESSAGE = 2_000


class RpcError(TypedDict):
    """`data` of errors that are not the SDK's has the `type` and `code` of the same error in OpenAI's API."""

    code: int
    message: str
    data: NotRequired[object]


class RpcFailure(TypedDict):
    """A JSON-RPC error. `id` is null where the request was not read that far."""

    jsonrpc: Literal["2.0"]
    id: str | int | None
    error: RpcError


class Mcp(Dialect):
    name = "mcp"
    error_type = RpcFailure

    def error_body(self, error: MlxqError, request_id: str = "") -> RpcFailure:
        code = _INVALID_REQUEST if error.status < 500 else _INTERNAL_ERROR
        if error.code == "invalid_json":
            code = _PARSE_ERROR
        return {
            "jsonrpc": "2.0",
            "id": None,
            "error": {
                "code": code,
                "message": error.message[:_LONGEST_MESSAGE],
                "data": {"type": error.type, "code": error.code},
            },
        }


MCP = Mcp()
