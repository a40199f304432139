"""A real browser in front of a whole system. Both are shared by all stories of the page."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.page.models import make_models
from tests.page.watched import Watched, watched
from tests.support.checkpoints import random_qwen3
from tests.support.hub import Hub
from tests.support.system import REPO, System

#: Where `make .venv/page.stamp` puts the browser and axe.
FOLDER = REPO / ".venv" / "page"
#: A model of the hub stand-in, which none of the stories has at its beginning.
ABSENT = "mlx-community/Qwen3-0.6B-4bit"
#: No microphone and no camera are asked for; the sandbox needs rights that CI does not have.
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("page")
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not (FOLDER / "browser").exists():
        if os.environ.get("CI"):
            pytest.fail("CI shows the page: make .venv/page.stamp")
        pytest.skip("no browser: make .venv/page.stamp")
    with sync_playwright() as playwright:
        program = (FOLDER / "browser").read_text()
        started = playwright.chromium.launch(executable_path=program, args=[*OPTIONS])
        yield started
        started.close()


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with Hub() as running:
        running.add_folder(ABSENT, random_qwen3(tmp_path_factory.mktemp("hub") / "small"))
        yield running


@pytest.fixture(scope="session")
def system(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    cache, more = tmp_path_factory.mktemp("cache"), make_models(tmp_path_factory.mktemp("models"))
    roots = f"{REPO / 'models'}:{more}"
    running = System(REPO / "models", "tiny-chat", MODEL_ROOTS=roots, HF_ENDPOINT=hub.url, HF_HUB_CACHE=cache)
    try:
        running.start().start_downloads()
        yield running
    finally:
        running.stop()


@pytest.fixture
def tidy(system: System) -> Iterator[System]:
    """The system, with no pause and no job of another story in it."""
    yield system
    system.http.post("/v1/queue/resume")
    for job in system.http.get("/v1/jobs", params={"limit": 100}).json()["data"]:
        if job["status"] in ("queued", "in_progress"):
            system.http.post(f"/v1/jobs/{job['id']}/cancel")
    system.wait_until(lambda: _idle(system), "jobs do not end")


def _idle(system: System) -> bool:
    queues = system.http.get("/v1/queue/stats").json()["queues"].values()
    return not any(queue["waiting"] + queue["running"] for queue in queues)


@pytest.fixture
def tab(browser: Browser, tidy: System) -> Iterator[Watched]:
    """A tab with the page, as on a desktop."""
    with watched(browser, tidy.url) as opened:
        yield opened


@pytest.fixture
def submit(tidy: System) -> Callable[..., str]:
    """Accepts a chat in the background; its id."""

    def send(text: str = "Hello", **more: Any) -> str:
        headers = {"X-App": more.pop("app", "notes")}
        body = {
            "model": "default",
            "messages": [{"role": "user", "content": text}],
            "background": True,
            **more,
        }
        answer = tidy.http.post("/v1/chat/completions", json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    return send
