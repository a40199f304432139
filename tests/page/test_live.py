"""What goes on, as it happens."""

import re
from collections.abc import Callable

import psutil
from playwright.sync_api import Browser, expect

from tests.page.watched import Watched, watched
from tests.support.stories import outcome
from tests.support.system import System


def image(system: System, steps: int) -> str:
    body = {
        "model": "tiny-image",
        "prompt": "A fox",
        "size": "128x128",
        "steps": steps,
        "n": 10,
        "background": True,
    }
    headers = {"X-App": "painter"}
    answer = system.http.post("/v1/images/generations", json=body, headers=headers).raise_for_status()
    return str(answer.json()["id"])


def test_a_jobs_life_is_seen(tab: Watched, tidy: System) -> None:
    """It waits, runs with previews, and is cancelled by a click."""
    tab.open()
    tab.connected()
    tidy.http.post("/v1/queue/pause?queue=image")
    job_id = image(tidy, 50)
    row = tab.page.locator(f'[data-job="{job_id}"]')
    expect(row).to_contain_text("painter")
    expect(tab.page.get_by_role("region", name="Waiting jobs").locator(row)).to_have_count(1)
    tidy.http.post("/v1/queue/resume")
    running = tab.page.get_by_role("region", name="Running jobs").locator(row)
    expect(running.get_by_role("progressbar")).to_have_attribute("aria-valuenow", re.compile("[0-9]+"))
    expect(running.get_by_role("img", name=re.compile("Preview"))).to_be_visible()
    running.get_by_role("button", name=re.compile("^Cancel")).click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Cancel job").click()
    assert outcome(tidy, job_id)["status"] == "cancelled"
    expect(tab.page.get_by_role("region", name="Ended jobs").locator(row)).to_contain_text(
        re.compile("cancelled", re.I)
    )


def test_a_page_that_lost_the_server_goes_on(tab: Watched, tidy: System, submit: Callable[..., str]) -> None:
    tab.forgive("ERR_")
    tab.open()
    tab.connected()
    expect(tab.heading("Now")).to_be_visible()
    tidy.kill_api()
    expect(tab.page.locator(".connection.off").first).to_be_attached()
    tidy.start_api()
    tab.connected()
    tidy.http.post("/v1/queue/pause")
    job_id = submit("after the restart")
    expect(tab.page.locator(f'[data-job="{job_id}"]')).to_be_visible()


def test_a_page_says_that_the_queue_is_out_of_reach(
    tab: Watched, tidy: System, submit: Callable[..., str]
) -> None:
    tab.forgive("503")
    tab.open()
    tab.connected()
    notice = tab.page.get_by_text("There is no connection to the queue")
    expect(notice).to_have_count(0)
    tidy.redis.stop()
    expect(notice).to_be_visible()
    tidy.redis.start()
    expect(notice).to_have_count(0)
    tidy.wait_healthy()
    tidy.http.post("/v1/queue/pause")
    expect(tab.page.locator(f'[data-job="{submit("after the pause")}"]')).to_be_visible()


def test_closed_tabs_leave_nothing_behind(browser: Browser, tidy: System) -> None:
    assert tidy.api is not None
    api = psutil.Process(tidy.api.pid)

    def clients() -> int:
        """Connections of browsers: other clients are those of this process."""
        ours = {end.laddr.port for end in psutil.Process().net_connections("tcp") if end.laddr}
        ends = (end for end in api.net_connections("tcp") if end.status == psutil.CONN_ESTABLISHED)
        return sum(end.laddr.port == tidy.port and end.raddr.port not in ours for end in ends)

    with watched(browser, tidy.url) as tab:
        tab.open()
        tab.connected()
        expect(tab.heading("Now")).to_be_visible()
        assert clients() > 0
    tidy.wait_until(lambda: clients() == 0, "the tab has left something behind")
