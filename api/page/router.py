"""`GET /`: the page for browsers, the name of the server for others; and `/page/`: the files of the page.

The files hold nothing of this server: anybody may have them, also without a key. What they show they ask of the API,
with the key that the user has entered.
"""

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.callers.caller import Rights, caller_of
from api.http.context import context_of
from api.http.middleware.security import KEY_NEEDED, wants_page
from api.http.openapi import gives, gives_nothing, gives_text
from api.openai.dialect import OPENAI
from api.page.files import PageFile, page_files
from api.page.schema import Server
from config import VERSION
from jobs.errors import NotFound, Unauthorized

router = APIRouter(tags=["system"])

#: Scripts, styles and data come from this server alone; pictures and recordings also from the page itself. The page
#: is in no frame of another one, and may record.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SAFE = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(self)",
    "x-frame-options": "DENY",
}
#: A year.
_FOR_GOOD = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
#: Clients of Ollama compare this with what they get, to see whether it runs.
_OLLAMA = "Ollama is running"


@router.get(
    "/",
    summary="What this is; a page for browsers",
    response_class=Response,
    openapi_extra=gives(Server)
    | gives_text("text/html", "text/plain")
    | gives_nothing("The browser has the page", status=304),
)
async def root(request: Request) -> Response:
    """A browser, which accepts `text/html`, gets the page; on Ollama's port other clients get Ollama's words."""
    vary = {"vary": "accept, accept-encoding"}
    if wants_page(request.headers):
        files = await asyncio.to_thread(page_files)
        return _sent(request, files.index, {**vary, "cache-control": _ASK_AGAIN})
    if caller_of(request).rights is Rights.NOTHING:
        raise Unauthorized(KEY_NEEDED)
    _, port = request.scope.get("server") or ("", None)
    if port == context_of(request).settings.ollama_port:
        return PlainTextResponse(_OLLAMA, headers=vary)
    body: Server = {"name": "mlxq", "version": VERSION, "status": "running"}
    return json_response(body, headers=vary)


@router.get("/page/{version}/{name:path}", include_in_schema=False, response_class=HTMLResponse)
async def file(request: Request, version: str, name: str) -> Response:
    """404 for another version: a page that is older than the server has to be loaded anew."""
    files = await asyncio.to_thread(page_files)
    found = files.files.get(name)
    if version != files.version or found is None:
        raise NotFound("The page has no such file. Load it again.")
    return _sent(request, found, {"vary": "accept-encoding", "cache-control": _FOR_GOOD})


def _sent(request: Request, file: PageFile, headers: Mapping[str, str]) -> Response:
    sent = {**_SAFE, **headers, "etag": file.etag}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=sent)
    if "gzip" in request.headers.get("accept-encoding", ""):
        compressed = {**sent, "content-encoding": "gzip"}
        return Response(file.compressed, headers=compressed, media_type=file.content_type)
    return Response(file.content, headers=sent, media_type=file.content_type)


RESOURCE = Resource(OPENAI, routers=(router,))
