"""How fast the page is there, how soon it shows a job, what an open one costs the API, and whether it stays
responsive: with 500 waiting jobs, and 50 events a second.

    python -m benchmarks.page [--quick]

The first paint is the browser's own first contentful paint, with nothing in its cache, before there is traffic. A job
is seen when its row is in the document, by the browser's clock; the same browser has sent it. CPU is that of the
API's process. Spans take turns in one run: without a browser, with the page at another API process, and with it at
this one. A browser on the same cores makes all work of the API dearer; the second span has that, too. Long tasks are
those of the browser's own trace, of the thread that runs the page. Needs `make .venv/page.stamp`.
"""

import argparse
import itertools
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import httpx
import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from tests.page.conftest import FOLDER
from tests.support.system import REPO, System

WAITING = 500
#: Chats a second: each is accepted, starts and ends.
CHATS, EVENTS_OF_A_CHAT = 17, 3
#: Threads that send them.
_SENDERS = 6
#: What the API may cost over what it costs without a page, and how long a task of the page may take in milliseconds.
BOUND, LONGEST = 1.1, 50.0
#: Milliseconds from the navigation to the first paint, and from the sending of a job to its row.
PAINTED, SEEN = 300.0, 500.0
#: Notes when the first job is in the document.
_WATCH = """new MutationObserver((_, observer) => {
    if (!document.querySelector("main [data-job]")) return;
    window.thereAt = performance.now();
    observer.disconnect();
}).observe(document, { childList: true, subtree: true })"""
#: Submits a chat, and waits for its row. Milliseconds from the sending and from the answer.
_LIVE = """async body => {
    const seen = new Map();
    const look = () => {
        for (const row of document.querySelectorAll("main [data-job]"))
            if (!seen.has(row.dataset.job)) seen.set(row.dataset.job, performance.now());
    };
    look();
    let changed;
    const observer = new MutationObserver(() => { look(); changed?.(); });
    const what = { childList: true, subtree: true, attributes: true, attributeFilter: ["data-job"] };
    observer.observe(document, what);
    const sent = performance.now();
    const answer = await fetch("v1/chat/completions", {
        method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
    });
    const answered = performance.now();
    const { id } = await answer.json();
    while (!seen.has(id)) await new Promise(resolve => { changed = resolve; });
    observer.disconnect();
    return [seen.get(id) - sent, Math.max(0, seen.get(id) - answered)];
}"""
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


@contextmanager
def traffic(system: System) -> Iterator[None]:
    """Short chats at a steady rate, by an application."""
    stop = threading.Event()

    def send() -> None:
        with httpx.Client(base_url=system.url, timeout=60, headers={"x-app": "steady"}) as client:
            began = time.monotonic()
            for number in itertools.count(1):
                # What came late is made up for: all spans have the same number of chats.
                if stop.wait(max(0.0, began + number * _SENDERS / CHATS - time.monotonic())):
                    return
                body = {
                    "model": "default",
                    "max_tokens": 2,
                    "messages": [{"role": "user", "content": f"{number}"}],
                }
                client.post("/v1/chat/completions", json=body).raise_for_status()

    threads = [threading.Thread(target=send) for _ in range(_SENDERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def cpu_seconds(pid: int) -> float:
    """Seconds of CPU that the process has had: in nanoseconds where Linux tells them, which counts in hundredths."""
    threads = [each.read_text().split() for each in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    if threads:
        return sum(int(ran) for ran, *_ in threads) / 1e9
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def cpu(system: System, seconds: float) -> float:
    """Seconds of CPU that the API takes in a second."""
    assert system.api is not None
    before, began = cpu_seconds(system.api.pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(system.api.pid) - before) / (time.monotonic() - began)


def fill(system: System) -> None:
    system.http.post("/v1/queue/pause?queue=image").raise_for_status()
    for number in range(WAITING):
        body = {"model": "tiny-image", "prompt": f"number {number}", "size": "64x64", "background": True}
        headers = {"x-app": f"app {number % 7}"}
        system.http.post("/v1/images/generations", json=body, headers=headers).raise_for_status()


def long_tasks(trace: bytes) -> list[float]:
    """How long the tasks of the page's thread took, in milliseconds, the longest first."""
    events: list[dict[str, Any]] = json.loads(trace)["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"].get("name") == "CrRendererMain"
    }
    found = [
        event["dur"] / 1000
        for event in events
        if event["name"].endswith("RunTask") and (event["pid"], event["tid"]) in mains and "dur" in event
    ]
    return sorted(found, reverse=True)


def first_paint(system: System, browser: Browser, loads: int) -> bool:
    """Each time in a window without a cache."""
    painted, there = list[float](), list[float]()
    for _ in range(loads):
        # The policy forbids what Playwright waits with.
        context = browser.new_context(viewport={"width": 1440, "height": 900}, bypass_csp=True)
        page = context.new_page()
        page.add_init_script(_WATCH)
        page.goto(f"{system.url}/#/now")
        page.wait_for_function("window.thereAt")
        page.wait_for_function(_PAINT)
        painted.append(page.evaluate(_PAINT))
        there.append(page.evaluate("window.thereAt"))
        context.close()
    figures = f"{median(painted):.0f} ms (at most {max(painted):.0f}), jobs there: {median(there):.0f} ms"
    print(f"first paint: {figures}")
    return median(painted) <= PAINTED


def seen_live(system: System, browser: Browser, jobs: int) -> bool:
    """Chats at moments that have nothing to do with the looks of the API."""
    page = opened(system.url, browser)
    moments, sent, answered = Random(15), list[float](), list[float]()
    for number in range(jobs):
        time.sleep(moments.uniform(0.2, 1.0))
        text = f"seen live {number}"
        body = {
            "model": "default",
            "max_tokens": 2,
            "background": True,
            "messages": [{"role": "user", "content": text}],
        }
        from_sending, from_answer = page.evaluate(_LIVE, body)
        sent.append(from_sending)
        answered.append(from_answer)
    page.close()
    sent.sort()
    answered.sort()
    print(f"a job is seen, from its sending: {told(sent)}; from the answer: {told(answered)}")
    return at(sent, 0.95) <= SEEN


def at(values: Sequence[float], share: float) -> float:
    """Of sorted ones, the smallest that so many are not above."""
    return values[max(0, ceil(share * len(values)) - 1)]


def told(values: Sequence[float]) -> str:
    return f"p50 {at(values, 0.5):.0f} ms, p95 {at(values, 0.95):.0f} ms, at most {values[-1]:.0f} ms"


def opened(url: str, browser: Browser) -> Page:
    """A window that shows what runs and waits, and is told what happens."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(f"{url}/#/now")
    page.locator(".connection.on").first.wait_for(state="attached")
    page.locator("[data-job]").first.wait_for()
    time.sleep(1)
    return page


def measure(system: System, browser: Browser, rounds: int, seconds: float) -> bool:
    other = system.start_another_api()
    alone, beside, shown, tasks = list[float](), list[float](), list[float](), list[float]()
    for _ in range(rounds):
        alone.append(cpu(system, seconds))
        for url, taken in ((other, beside), (system.url, shown)):
            page = opened(url, browser)
            browser.start_tracing(page=page)
            taken.append(cpu(system, seconds))
            tasks += long_tasks(browser.stop_tracing())
            page.close()
            time.sleep(1)
    ratio, longest = median(shown) / median(beside), max(tasks, default=0.0)
    print(f"{WAITING} jobs wait, {CHATS * EVENTS_OF_A_CHAT} events a second")
    figures = (
        f"{median(beside):.4f} while another process has the page, {median(shown):.4f} with it: {ratio:.2f} x"
    )
    print(f"API, seconds of CPU in a second: {figures}")
    print(f"without a browser: {median(alone):.4f}, of which it is {median(shown) / median(alone):.2f} x")
    longest_ones = ", ".join(f"{task:.0f} ms" for task in sorted(tasks, reverse=True)[:5])
    print(f"longest tasks of the page: {longest_ones}")
    return ratio <= BOUND and longest <= LONGEST


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round")
    quick = parser.parse_args().quick
    system = System(REPO / "models", "tiny-chat", QUEUE_LIMIT=2 * WAITING)
    try:
        system.start()
        fill(system)
        with sync_playwright() as playwright:
            program = (FOLDER / "browser").read_text()
            browser = playwright.chromium.launch(
                executable_path=program, args=["--no-sandbox", "--disable-gpu"]
            )
            kept = first_paint(system, browser, 3 if quick else 15)
            with traffic(system):
                kept = seen_live(system, browser, 5 if quick else 20) and kept
                kept = measure(system, browser, *((1, 5.0) if quick else (5, 10.0))) and kept
            browser.close()
    finally:
        system.stop()
    return 0 if kept or quick else 1


if __name__ == "__main__":
    raise SystemExit(main())
