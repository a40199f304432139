"""From nothing to the first answer, and what a person does with models."""

import re

from playwright.sync_api import expect

from tests.page.conftest import ABSENT
from tests.page.watched import Watched
from tests.support.hub import Hub
from tests.support.system import System


def test_a_newcomer_gets_a_model_and_talks_to_it(tab: Watched, tidy: System, hub: Hub) -> None:
    hub.faults.hold_at = 8192
    hub.go.clear()
    tab.open().connected()
    start = tab.page.get_by_role("region", name="Start here")
    start.get_by_role("button", name=f"Get {ABSENT}").click()
    going = start.get_by_role("progressbar", name=f"Download of {ABSENT}")
    expect(going).to_be_visible()
    expect(going).to_have_attribute("aria-valuenow", re.compile("[1-9]"))
    hub.faults.hold_at = None
    hub.go.set()
    try:
        start.get_by_role("link", name=f"Chat with {ABSENT}").click()
        expect(tab.heading("Chat")).to_be_visible()
        tab.page.get_by_label("Message", exact=True).fill("Hello!")
        tab.page.keyboard.press("Enter")
        expect(tab.page.get_by_role("article")).to_have_count(2)
        tidy.wait_until(
            lambda: any(
                job["model"] == ABSENT and job["status"] == "completed"
                for job in tidy.http.get("/v1/jobs", params={"kind": "chat"}).json()["data"]
            ),
            "the chat is not answered",
        )
    finally:
        tidy.http.post(f"/v1/models/{ABSENT}/unload")
        tidy.http.delete(f"/v1/models/{ABSENT}")


def test_a_model_is_loaded_and_unloaded(tab: Watched, tidy: System) -> None:
    tab.open("models").connected()
    memory = tab.page.get_by_role("region", name="Memory")
    expect(memory).to_contain_text("tiny-chat")
    tab.page.get_by_role("button", name="Load tiny-whisper").click()
    expect(memory).to_contain_text("tiny-whisper")
    memory.get_by_role("button", name="Unload tiny-whisper").click()
    expect(memory).not_to_contain_text("tiny-whisper")


def test_a_model_is_deleted_after_a_question(tab: Watched, tidy: System) -> None:
    tidy.http.post("/v1/models/download", json={"repo_id": ABSENT}).raise_for_status()
    tab.open("models").connected()
    delete = tab.page.get_by_role("button", name=f"Delete {ABSENT}")
    delete.click()
    question = tab.page.get_by_role("dialog", name=f"Delete {ABSENT}?")
    question.get_by_role("button", name="Cancel").click()
    expect(delete).to_be_focused()
    delete.click()
    question.get_by_role("button", name="Delete").click()
    expect(delete).to_have_count(0)


def test_usage_is_shown_by_app(tab: Watched, tidy: System) -> None:
    body = {"model": "default", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2}
    tidy.http.post("/v1/chat/completions", json=body, headers={"X-App": "counted"}).raise_for_status()
    tab.open("usage").connected()
    tab.page.get_by_role("button", name="App").click()
    expect(tab.page.get_by_role("row").filter(has_text="counted")).to_be_visible()
    with tab.page.expect_download() as saved:
        tab.page.get_by_role("button", name="CSV").click()
    assert "counted" in saved.value.path().read_text()
