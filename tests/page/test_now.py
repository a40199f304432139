"""What runs and waits, as a browser shows it, and what a person does about it."""

import re
from collections.abc import Callable

from playwright.sync_api import Browser, Locator, expect

from tests.page.watched import Watched, watched
from tests.support.system import System

Submit = Callable[..., str]


def row(tab: Watched, job: str) -> Locator:
    return tab.page.locator(f"main [data-job='{job}']")


def paused(system: System) -> None:
    system.http.post("/v1/queue/pause").raise_for_status()


def expect_order(tab: Watched, *jobs: str) -> None:
    """These jobs wait, from above."""
    rows = tab.page.locator(".waiting-job")
    expect(rows).to_have_count(len(jobs))
    for place, job in enumerate(jobs):
        expect(rows.nth(place)).to_have_attribute("data-job", job)


def test_a_job_is_seen_while_it_waits_and_is_cancelled_by_a_click(
    tab: Watched, submit: Submit, tidy: System
) -> None:
    tab.open().connected()
    paused(tidy)
    job = submit(app="notes")
    waiting = row(tab, job)
    expect(waiting).to_contain_text("notes")
    expect(waiting.locator(".class")).to_have_text("normal")
    expect(waiting.locator(".why")).to_have_text("Paused")
    waiting.get_by_role("button", name="Cancel: Chat of notes").click()
    expect(tab.page.locator(f".ended [data-job='{job}']")).to_contain_text("Cancelled")
    assert tidy.http.get(f"/v1/jobs/{job}").json()["status"] == "cancelled"
    tab.page.locator(".ended").get_by_role("button", name="Run again: Chat of notes").first.click()
    expect(tab.page.locator(".waiting-job")).to_contain_text("notes")


def test_the_order_is_changed_with_the_keyboard_alone(tab: Watched, submit: Submit, tidy: System) -> None:
    paused(tidy)
    first, second, third = (submit(app="notes") for _ in range(3))
    tab.open().connected()
    expect_order(tab, first, second, third)
    keyboard = tab.page.keyboard
    for key in "jjj":
        keyboard.press(key)
    expect(row(tab, third).get_by_role("link")).to_be_focused()
    keyboard.press("t")
    expect(row(tab, third).locator(".position")).to_have_text("1")
    expect_order(tab, third, first, second)
    keyboard.press("p")
    expect(row(tab, third).locator(".why")).to_have_text("Held")
    keyboard.press("p")
    expect(row(tab, third).locator(".why")).to_have_text("Paused")
    keyboard.press("x")
    expect_order(tab, first, second)


def test_all_of_a_job_is_reached_with_the_tabulator(tab: Watched, submit: Submit, tidy: System) -> None:
    paused(tidy)
    job = submit(app="notes")
    tab.open().connected()
    expect(row(tab, job)).to_be_visible()
    row(tab, job).get_by_role("link").focus()
    names = []
    for _ in range(4):
        tab.page.keyboard.press("Tab")
        names.append(tab.page.evaluate("document.activeElement.getAttribute('aria-label')"))
    assert [name.split(":")[0] for name in names] == ["Move to the front", "Hold", "More", "Cancel"]
    tab.page.keyboard.press("Shift+Tab")
    tab.page.keyboard.press("Enter")
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Background").click()
    expect(row(tab, job).locator(".class")).to_have_text("background")
    tab.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(row(tab, job).get_by_role("button", name="More")).to_be_focused()


def test_shortcuts_are_listed_and_can_be_turned_off(tab: Watched) -> None:
    tab.open().connected()
    tab.page.keyboard.press("?")
    dialog = tab.page.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_contain_text("Cancel the job")
    dialog.get_by_label("Use these keys").uncheck()
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("g")
    tab.page.keyboard.press("h")
    expect(tab.heading("Now")).to_be_visible()
    tab.page.evaluate("localStorage.clear()")
    tab.open().connected()
    tab.page.keyboard.press("g")
    tab.page.keyboard.press("h")
    expect(tab.heading("History")).to_be_visible()


def test_everything_is_paused_and_resumed(tab: Watched, submit: Submit, tidy: System) -> None:
    tab.open().connected()
    tab.page.get_by_role("button", name="Pause everything").click()
    resume = tab.page.get_by_role("button", name="Resume")
    expect(resume).to_be_visible()
    job = submit()
    expect(row(tab, job).locator(".why")).to_have_text("Paused")
    resume.click()
    expect(tab.page.locator(f".ended [data-job='{job}']")).to_contain_text("Done")


def test_a_page_that_is_loaded_again_shows_the_same(tab: Watched, submit: Submit, tidy: System) -> None:
    done = submit(app="before")
    tidy.http.get(f"/v1/jobs/{done}", params={"wait": 30})
    paused(tidy)
    job = submit(app="notes")
    tab.open()
    for _ in range(2):
        expect(row(tab, job)).to_contain_text("notes")
        expect(tab.page.locator(f".ended [data-job='{done}']")).to_contain_text("before")
        tab.page.reload()


def test_a_text_is_seen_to_grow(tab: Watched, submit: Submit, tidy: System) -> None:
    tab.open().connected()
    job = submit(model="rambler", app="author")
    expect(row(tab, job)).to_contain_text(re.compile(r"Writing, [0-9,]+ tokens, [0-9.]+ tokens/s"))


def test_the_menu_of_a_phone_is_closed_by_escape(browser: Browser, tidy: System) -> None:
    with watched(browser, tidy.url, viewport={"width": 390, "height": 844}) as tab:
        tab.open().connected()
        menu = tab.page.get_by_role("button", name="Menu")
        menu.click()
        expect(tab.page.get_by_role("navigation").get_by_role("link", name="History")).to_be_visible()
        tab.page.keyboard.press("Escape")
        expect(tab.page.get_by_role("navigation")).to_be_hidden()
        expect(menu).to_be_focused()
