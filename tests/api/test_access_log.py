"""A line of the log for each request that is refused or fails, or for each: ACCESS_LOG says which."""

import logging

import httpx
import pytest

from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import ScriptedWorker


def lines(make_settings: MakeSettings, caplog: pytest.LogCaptureFixture, which: str) -> list[str]:
    caplog.set_level(logging.INFO, "api.http.middleware.access_log")
    with (
        ApiServer(make_settings(access_log=which)) as server,
        httpx.Client(base_url=server.url, timeout=30) as http,
    ):
        http.get("/health", headers={"x-app": "monitor"})
        http.get("/v1/models/no%0AERROR fake?key=secret", headers={"user-agent": "curl/8.1 secret"})
        answer = http.post("/v1/chat/completions", json=chat("a prompt"))
    told = [each.getMessage() for each in caplog.records if each.name == "api.http.middleware.access_log"]
    assert all("secret" not in line and "prompt" not in line for line in told)
    if which == "all":
        assert f"id={answer.headers['x-request-id']}" in told[-1]
    return [line.split("ms ")[0].rpartition(" ")[0] + " " + line.rpartition(" ")[2] for line in told]


def test_refused_and_failed_requests_are_told_by_default(
    make_settings: MakeSettings, worker: ScriptedWorker, caplog: pytest.LogCaptureFixture
) -> None:
    assert lines(make_settings, caplog, "errors") == ["GET /v1/models/no?ERROR?fake 404 app=curl"]


def test_all_are_told_or_none(
    make_settings: MakeSettings, worker: ScriptedWorker, caplog: pytest.LogCaptureFixture
) -> None:
    assert lines(make_settings, caplog, "off") == []
    assert lines(make_settings, caplog, "all") == [
        "GET /health 200 app=monitor",
        "GET /v1/models/no?ERROR?fake 404 app=curl",
        "POST /v1/chat/completions 200 app=python-httpx",
    ]
