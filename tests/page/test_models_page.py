"""From nothing to the first answer, and what a person does with models."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from playwright.sync_api import Browser, expect

from jobs import keys
from jobs.worker_state import SlotState, WorkerState
from tests.page.conftest import ABSENT
from tests.page.watched import Watched, watched
from tests.support.hub import Hub
from tests.support.system import REPO, System


@pytest.fixture
def empty(hub: Hub, tmp_path: Path) -> Iterator[System]:
    """What somebody has who has just installed it: an empty data folder, and no model but those that come along."""
    system = System(REPO / "models", "tiny-chat", HF_ENDPOINT=hub.url, HF_HUB_CACHE=tmp_path)
    hub.faults.hold_at = 8192
    hub.go.clear()
    try:
        system.start().start_downloads()
        yield system
    finally:
        hub.faults.hold_at = None
        hub.go.set()
        system.stop()


def test_a_newcomer_gets_a_model_and_talks_to_it(browser: Browser, empty: System, hub: Hub) -> None:
    with watched(browser, empty.url) as tab:
        tab.open().connected()
        start = tab.page.get_by_role("region", name="Start here")
        start.get_by_role("button", name=f"Get {ABSENT}").click()
        going = start.get_by_role("progressbar", name=f"Download of {ABSENT}")
        # The process that fetches models has to start.
        expect(going).to_have_attribute("aria-valuenow", re.compile("[1-9]"), timeout=100_000)
        start.get_by_role("button", name=f"Pause the download of {ABSENT}").click()
        start.get_by_role("button", name=f"Continue {ABSENT}").click()
        expect(going).to_be_visible()
        hub.faults.hold_at = None
        hub.go.set()
        start.get_by_role("link", name=f"Chat with {ABSENT}").click()
        expect(tab.heading("Chat")).to_be_visible()
        tab.page.get_by_label("Message", exact=True).fill("Hello!")
        tab.page.keyboard.press("Enter")
        expect(tab.page.get_by_role("article")).to_have_count(2)
        empty.wait_until(lambda: answered(empty, ABSENT), "the chat is not answered")


def answered(system: System, model: str) -> bool:
    chats = system.http.get("/v1/jobs", params={"kind": "chat", "model": model}).json()["data"]
    return any(job["status"] == "completed" for job in chats)


def test_a_model_is_loaded_and_unloaded(tab: Watched, tidy: System) -> None:
    tidy.http.post("/v1/models/tiny-whisper/unload").raise_for_status()
    tab.open("models").connected()
    memory = tab.page.get_by_role("region", name="Memory")
    expect(memory).to_contain_text("tiny-chat")
    tab.page.get_by_role("button", name="Load tiny-whisper", exact=True).click()
    keep = memory.get_by_role("button", name="Keep tiny-whisper in memory")
    expect(keep).to_be_visible(timeout=100_000)
    keep.click()
    expect(keep).to_have_text("Kept")
    assert tidy.http.get("/v1/settings").json()["kept_models"] == ["tiny-whisper"]
    memory.get_by_role("button", name="Unload tiny-whisper").click()
    expect(memory).not_to_contain_text("tiny-whisper")
    there = tab.page.get_by_role("region", name="On this machine").get_by_role("row")
    keep = there.filter(has_text="tiny-whisper").get_by_role("button", name="Keep tiny-whisper in memory")
    expect(keep).to_have_attribute("aria-pressed", "true")
    keep.click()
    expect(keep).to_have_count(0)
    assert tidy.http.get("/v1/settings").json()["kept_models"] == []


def test_a_models_link_begins_a_chat_with_it(tab: Watched) -> None:
    chosen = tab.open("chat").page.get_by_label("Model", exact=True)
    chosen.select_option("talker")
    tab.go("models")
    row = tab.page.get_by_role("region", name="On this machine").get_by_role("row").filter(has_text="rambler")
    row.get_by_role("link", name="Chat").click()
    expect(chosen).to_have_value("rambler")
    tab.page.reload()
    expect(chosen).to_have_value("rambler")


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


def test_of_several_machines_each_is_named(tab: Watched, tidy: System) -> None:
    slot = SlotState(model="tiny-chat", state="loaded", memory_bytes=400_000)
    laptop = WorkerState(name="laptop.7.abcdef", host="laptop", slots={"llm": (slot,)}, budget=10**9)
    with redis.Redis.from_url(tidy.redis.url) as client:
        client.sadd(keys.WORKER_STATES, laptop.name)
        client.set(keys.worker_state(laptop.name), laptop.encode(), ex=120)
        try:
            tab.open("models").connected()
            held = tab.page.get_by_role("table", name="Models in memory")
            expect(held.get_by_role("columnheader", name="Machine")).to_be_visible()
            expect(held.get_by_role("cell", name="laptop", exact=True)).to_be_visible()
            expect(held.get_by_role("button", name="Unload tiny-chat of laptop")).to_be_visible()
        finally:
            client.delete(keys.worker_state(laptop.name))
            client.srem(keys.WORKER_STATES, laptop.name)
        expect(held.get_by_role("columnheader", name="Machine")).to_have_count(0)
