"""`GET /v1/usage`: what apps have used, by day, app, key, model and kind.

With keys, each sees what was used with it, and those of `ADMIN_KEYS` see all. Without keys it is for the user of the
machine, as the list of jobs is.
"""

import asyncio
from datetime import date, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.context import context_of, jobs_of
from api.http.middleware.security import listed_owner
from api.http.openapi import gives, gives_text
from api.native.dialect import NATIVE
from api.native.usage.csv_text import csv_text
from api.native.usage.prices import prices
from api.native.usage.report import GROUPS, Report, Wanted
from api.native.usage.schema import UsageList
from jobs.errors import InvalidRequest
from jobs.kinds import KINDS
from jobs.redis.errors import told
from jobs.usage import KEPT_DAYS, KEY_HASH, read, today

router = APIRouter(tags=["usage"])

#: Days that are shown without `from`, today included.
_USUAL_DAYS = 30
_CSV = "text/csv"
_KINDS = tuple(kind.value for kind, row in KINDS.items() if row.uses_model)

Name = Annotated[str | None, Query(max_length=256)]


@router.get(
    "/v1/usage",
    summary="What apps have used",
    response_class=Response,
    openapi_extra=gives(UsageList) | gives_text(_CSV),
)
async def usage(
    request: Request,
    first: Annotated[date | None, Query(alias="from", description="Without it, 30 days up to `to`.")] = None,
    last: Annotated[date | None, Query(alias="to", description="Without it, today.")] = None,
    group_by: Annotated[
        str, Query(max_length=64, description="Of day, app, key, model and kind.")
    ] = ",".join(GROUPS),
    app: Name = None,
    key: Annotated[str | None, Query(max_length=64, description="The beginning of its hash.")] = None,
    model: Name = None,
    kind: Annotated[str | None, Query(max_length=32)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[str | None, Query(max_length=64, description="The last id of the page before.")] = None,
    form: Annotated[Literal["json", "csv"] | None, Query(alias="format")] = None,
) -> Response:
    """The newest day first. Days are those of the server's time zone. CSV has all rows, without pages."""
    owner = await listed_owner(request)
    if kind is not None and kind not in _KINDS:
        raise InvalidRequest(f"'kind' is one of {', '.join(_KINDS)}.", param="kind")
    begin, end = _days(first, last)
    groups = _groups(group_by)
    wanted = Wanted(None if owner is None else owner[:KEY_HASH], app, key, model, kind)
    found = await asyncio.to_thread(prices, context_of(request).settings.usage_prices)
    report = Report(wanted, groups, found)
    with told():
        async for rows in read(jobs_of(request).redis, begin, end):
            await asyncio.to_thread(report.add, rows)
    data = await asyncio.to_thread(report.rows)
    if form == "csv" or (form is None and _CSV in request.headers.get("accept", "")):
        name = f"usage-{begin}-{end}.csv"
        text = await asyncio.to_thread(csv_text, data, groups)
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(text, headers=headers, media_type=_CSV)
    start = 0
    if after is not None:
        start = 1 + next((place for place, row in enumerate(data) if row["id"] == after), -1)
        if start == 0:
            raise InvalidRequest(f"No row with id '{after}' to go on after.", param="after")
    page = data[start : start + limit]
    body: UsageList = {
        "object": "list",
        "from": begin.isoformat(),
        "to": end.isoformat(),
        "group_by": groups,
        "data": page,
        "total": report.total(),
        "prices": {"date": found.date, "currency": found.currency},
        "has_more": start + limit < len(data),
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }
    return json_response(body)


def _days(first: date | None, last: date | None) -> tuple[date, date]:
    """The days that are asked for, as far as they are kept."""
    now = today()
    end = now if last is None else last
    begin = end - timedelta(min(_USUAL_DAYS - 1, (end - date.min).days)) if first is None else first
    if begin > end:
        raise InvalidRequest("'from' is after 'to'.", param="from")
    # The clocks of two machines differ.
    latest, earliest = now + timedelta(1), now - timedelta(KEPT_DAYS - 1)
    return min(max(begin, earliest), latest), max(min(end, latest), earliest)


def _groups(text: str) -> list[str]:
    names = {name.strip() for name in text.split(",")} - {""}
    if unknown := names - set(GROUPS):
        raise InvalidRequest(
            f"'group_by' has '{min(unknown)}'; allowed are {', '.join(GROUPS)}, with commas between.",
            param="group_by",
        )
    return [name for name in GROUPS if name in names]


RESOURCE = Resource(NATIVE, routers=(router,))
