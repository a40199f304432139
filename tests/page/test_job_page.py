"""The history and the page of a single job."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.page.watched import Watched
from tests.support.system import System

Submit = Callable[..., str]


def ended(system: System, job: str) -> str:
    assert system.http.get(f"/v1/jobs/{job}", params={"wait": 30}).json()["status"] == "completed"
    return job


def test_a_job_of_the_history_tells_its_whole_story(tab: Watched, submit: Submit, tidy: System) -> None:
    # Of an answer of a few tokens nothing may be told before its end.
    question = "What is the capital of Spain?"
    job = ended(tidy, submit(question, app="atlas", max_tokens=150, stream=True, ignore_eos=True))
    ended(tidy, submit(app="notes", max_tokens=2))
    tab.open("history")
    expect(tab.page.get_by_role("link", name="notes").first).to_be_visible()
    tab.page.get_by_label("Id").fill(job[-8:])
    expect(tab.page.get_by_role("table").get_by_role("link")).to_have_count(1)
    assert f"id={job[-8:]}" in tab.page.url
    tab.page.get_by_role("link", name="atlas").click()
    expect(tab.heading("Chat of atlas")).to_be_visible()
    main = tab.page.get_by_role("main")
    expect(main).to_be_focused()
    expect(main).to_contain_text(question)
    answer = tidy.http.get(f"/v1/jobs/{job}").json()["result"]["choices"][0]["message"]["content"]
    expect(tab.page.locator("pre.answer")).to_have_text(answer.strip())
    expect(tab.page.locator(".timeline")).to_contain_text(
        re.compile("Queued.*Taken.*First output.*Done", re.S)
    )
    tab.page.get_by_role("button", name="Run again").click()
    tab.page.get_by_role("button", name="Show").click()
    expect(tab.page).not_to_have_url(re.compile(job))
    expect(tab.page.locator(".timeline")).to_contain_text("Done")


def test_a_waiting_job_is_changed_on_its_page(tab: Watched, submit: Submit, tidy: System) -> None:
    tidy.http.post("/v1/queue/pause").raise_for_status()
    first, second = submit(), submit()
    tab.open(f"jobs/{second}")
    expect(tab.page.get_by_role("main")).to_contain_text("Position 2")
    tab.page.get_by_role("button", name="Move up").click()
    expect(tab.page.get_by_role("main")).to_contain_text("Position 1")
    tab.page.get_by_role("button", name="Hold").click()
    tab.page.get_by_role("button", name="Release").click()
    tab.page.get_by_role("button", name="Cancel job").click()
    expect(tab.page.get_by_label("State")).to_contain_text("Cancelled")
    assert tidy.http.get(f"/v1/jobs/{first}").json()["status"] == "queued"


def test_a_job_that_is_not_there_is_told_of(tab: Watched) -> None:
    tab.forgive("404")
    tab.open("jobs/chatcmpl-none")
    expect(tab.page.get_by_role("alert")).to_contain_text("No job with id 'chatcmpl-none'")
