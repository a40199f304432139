"""`/v1/settings`: settings that can be changed while the server runs. They are kept over a restart."""

from fastapi import APIRouter, Depends, Request, Response

from api.dispatch.resource import Resource
from api.http.answers.json_response import json_response
from api.http.answers.warning import warned
from api.http.bodies.body import read_body
from api.http.context import context_of, jobs_of
from api.http.middleware.security import at_the_machine
from api.http.openapi import gives, takes
from api.mlxgui.dialect import MLXGUI
from api.mlxgui.settings.schema import SettingChanged, SettingUpdate, setting_changed
from jobs.live_settings import AT_START, LiveSettings

router = APIRouter(tags=["settings"], dependencies=[Depends(at_the_machine)])


@router.get(
    "/v1/settings",
    summary="All settings that can be changed",
    response_class=Response,
    openapi_extra=gives(LiveSettings),
)
async def get_settings(request: Request) -> Response:
    settings = await jobs_of(request).live_settings(context_of(request).settings)
    return json_response(settings.model_dump())


@router.put(
    "/v1/settings/{key}",
    summary="Change a setting",
    response_class=Response,
    openapi_extra=takes(SettingUpdate) | gives(SettingChanged),
)
async def put_setting(request: Request, key: str) -> Response:
    """404 for an unknown key, 400 for a value that is not of its type."""
    body = await read_body(request, SettingUpdate)
    jobs, usual = jobs_of(request), context_of(request).settings
    settings = await jobs.change_setting(usual, key, body.value.value)
    return json_response(setting_changed(settings, key), headers=warned(body.headers, _without_effect(key)))


def _without_effect(key: str) -> list[str]:
    """Warnings: a value may have none, or none yet."""
    if key == "enable_system_tray":
        return [f"'{key}' has no effect: mlxq has no system tray"]
    return [f"'{key}' has its effect after a restart"] if key in AT_START else []


RESOURCE = Resource(MLXGUI, routers=(router,))
