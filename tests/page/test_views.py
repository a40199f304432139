"""Every view, in light and dark, on a desktop and a phone: it loads, and axe finds nothing serious."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.page.conftest import FOLDER
from tests.page.watched import Watched, watched
from tests.support.stories import outcome
from tests.support.system import System

VIEWS = {
    "now": "Now",
    "history": "History",
    "chat": "Chat",
    "images": "Images",
    "audio": "Audio",
    "models": "Models",
    "usage": "Usage",
    "connect": "Connect",
    "health": "Health",
    "settings": "Settings",
    "logs": "Logs",
}
LOOKS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "dark",
        "has_touch": True,
        "is_mobile": True,
    },
}
_AXE = """async () => {
    const runOnly = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const found = await axe.run(document, { resultTypes: ["violations"], runOnly });
    return found.violations.filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target.join(" ")).slice(0, 5).join(", ")}`);
}"""


def violations(tab: Watched) -> list[str]:
    """What axe finds serious in what is shown now."""
    tab.page.evaluate((FOLDER / "node_modules/axe-core/axe.min.js").read_text())
    found: list[str] = tab.page.evaluate(_AXE)
    return found


def is_as_wide_as_the_window(tab: Watched) -> bool:
    fits: bool = tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return fits


@pytest.fixture
def lively(tidy: System, submit: Callable[..., str]) -> str:
    """Some life: a job that has ended, and two that wait. The id of the first."""
    done = submit("What is the capital of Spain?", max_tokens=8)
    outcome(tidy, done)
    tidy.http.post("/v1/queue/pause?queue=llm").raise_for_status()
    submit("one")
    submit("two", app="mail")
    return done


@pytest.mark.parametrize("look", LOOKS)
def test_every_view_is_shown(browser: Browser, tidy: System, lively: str, look: str) -> None:
    faults = {}
    with watched(browser, tidy.url, **LOOKS[look]) as tab:
        tab.open()
        tab.connected()
        for view, title in {**VIEWS, f"jobs/{lively}": "Job"}.items():
            tab.go(view)
            expect(tab.page).to_have_title(re.compile(f"^{title}"))
            expect(tab.page.locator("main h1")).to_be_attached()
            expect(tab.page.locator(".spinner")).to_have_count(0)
            if found := violations(tab):
                faults[view] = found
            if not is_as_wide_as_the_window(tab):
                faults[view] = [*faults.get(view, []), "it is wider than the window"]
    assert faults == {}


def test_the_keyboard_is_enough(tab: Watched) -> None:
    """To every view by the keys of its link, and to its heading's place."""
    tab.open()
    tab.connected()
    tab.page.keyboard.press("Tab")
    expect(tab.page.get_by_role("link", name="Skip to content")).to_be_focused()
    for view in ("History", "Settings", "Now"):
        link = tab.page.get_by_role("navigation").get_by_role("link", name=re.compile(f"^{view}"))
        link.focus()
        tab.page.keyboard.press("Enter")
        expect(tab.page.get_by_role("heading", level=1, name=view)).to_be_visible()
        expect(tab.page.locator("main")).to_be_focused()
    tab.page.keyboard.press("?")
    expect(tab.page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    tab.page.keyboard.press("Escape")
    expect(tab.page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize("file", ["views/usage.js", "parts/table.js"])
def test_a_view_that_could_not_be_fetched_is_fetched_again(tab: Watched, file: str) -> None:
    tab.forgive("ERR_FAILED")
    tab.page.route(f"**/{file}*", lambda route: route.abort(), times=2)
    tab.open("usage")
    expect(tab.heading("Usage")).to_be_visible()


@pytest.mark.parametrize("view", ["nix/<img src=x onerror=alert(1)>", "constructor", "__proto__/x"])
def test_an_unknown_view_leads_back(tab: Watched, view: str) -> None:
    tab.open(view)
    expect(tab.heading("Not found")).to_be_visible()
    tab.page.get_by_role("main").get_by_role("link", name="Now").click()
    expect(tab.heading("Now")).to_be_visible()
