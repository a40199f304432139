"""CORS, and headers that restrict what browsers do with answers."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.answers.errors import Unsupported, error_response
from jobs.errors import Forbidden, MlxqError

#: Nothing is run that is not meant to be, no address of a job goes to other sites, and no page embeds what it may not
#: read. CORS is not touched: a page that may call reads its answers.
_DEFENCE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
#: For files of jobs that pages show by their address: images and audio.
EMBEDDABLE = {"cross-origin-resource-policy": "cross-origin"}
#: Headers that describe an answer's own body.
_BODY = ("content-length", "content-type")


class Defence:
    """Adds these headers to every response that does not have them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def defend(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in _DEFENCE.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, defend)


class Cors(CORSMiddleware):
    """Starlette's, whose refusals are errors as all others are."""

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        error: MlxqError
        if not self.is_allowed_origin(request_headers["origin"]):
            error = Forbidden("Pages of this origin may not call; CORS_ORIGINS names those that may.")
            error.code = "origin_not_allowed"
        else:
            error = Unsupported("Pages may not call with this method.")
            error.status, error.code = 405, "method_not_allowed"
        kept = {name: value for name, value in answer.headers.items() if name not in _BODY}
        return error_response(error, kept)
