"""A span for each HTTP request, where there are traces. Its context goes with the jobs of the request."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.routes.addresses import addresses_of
from jobs import tracing

#: What programs ask all the time.
_QUIET = frozenset({"/health", "/metrics"})
_OTHER = "other"
#: The status of a request whose client left before the answer.
_LEFT = 499


class Traced:
    """Behind `RequestIds`, which notes the status. `state.trace` is the span's context, for jobs."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        spans = tracing.spans()
        if spans is None or scope["type"] != "http" or scope["path"] in _QUIET:
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        method, route = scope["method"], addresses_of(scope).template(scope["path"]) or _OTHER
        span = spans.request(
            f"{method} {route}",
            Headers(scope=scope),
            {"http.request.method": method, "http.route": route, "url.scheme": scope.get("scheme", "http")},
        )
        state["trace"] = span.carrier
        try:
            await self.app(scope, receive, send)
        finally:
            span.end(state.get("status", _LEFT), {"mlxq.request_id": state.get("request_id", "")})
