"""`GET /docs`: what `/openapi.json` describes, as a page for people. It has no scripts and fetches nothing."""

from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.dispatch.resource import Resource
from api.native.dialect import NATIVE

router = APIRouter()

_METHODS = ("get", "post", "put", "delete")
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}"
    "td{padding:.2rem 1rem .2rem 0;vertical-align:top}code{font-size:.9em}"
)
#: Also what might slip into the page from elsewhere is not run.
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
}


@router.get("/docs", include_in_schema=False, response_class=HTMLResponse)
async def docs(request: Request) -> HTMLResponse:
    described = request.app.openapi()
    rows = [
        (method.upper(), path, operation.get("summary", ""))
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
        if method in _METHODS
    ]
    table = "".join(
        f"<tr><td>{method}</td><td><code>{escape(path)}</code></td><td>{escape(summary)}</td></tr>"
        for method, path, summary in rows
    )
    link = escape(f"{request.scope.get('root_path', '')}/openapi.json")
    return HTMLResponse(
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>mlxq</title><style>{_STYLE}</style>"
        f"<h1>mlxq {escape(described['info']['version'])}</h1><p>{escape(described['info']['summary'])} "
        f"All fields: <a href='{link}'>{link}</a></p><table>{table}</table></html>",
        headers=_HEADERS,
    )


RESOURCE = Resource(NATIVE, routers=(router,))
