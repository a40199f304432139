"""Whether the whole answer of a request has gone out while its connection was there.

That is what a server can know: the last byte is in the hands of the client's connection. Whether the client has read
it, only the client knows. The protocol tells it by an extension of the ASGI scope.
"""

from collections.abc import Callable

from starlette.types import Scope

_EXTENSION = "mlxq.arrived"


def tell_arrival(scope: Scope, arrived: Callable[[], bool]) -> None:
    """For the protocol: `arrived` is asked after the answer."""
    scope.setdefault("extensions", {})[_EXTENSION] = arrived


def arrived(scope: Scope) -> bool:
    """True where nobody can tell: in-process clients have no connection to lose."""
    tells: Callable[[], bool] | None = scope.get("extensions", {}).get(_EXTENSION)
    return tells is None or tells()
