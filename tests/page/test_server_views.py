"""Settings, logs, health and how programs connect."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.page.watched import Watched
from tests.support.stories import outcome
from tests.support.system import System


def test_a_setting_is_changed_and_kept(tab: Watched, tidy: System) -> None:
    tab.open("settings")
    minutes = tab.page.get_by_label("Unload after (minutes)")
    expect(minutes).to_have_value("30")
    minutes.fill("45")
    tab.page.get_by_role("button", name="Save").click()
    expect(tab.page.get_by_text("Unload after: changed.")).to_be_visible()
    assert tidy.http.get("/v1/settings").json()["model_inactivity_timeout_minutes"] == 45
    tab.page.reload()
    expect(minutes).to_have_value("45")
    minutes.fill("999999999")
    minutes.press("Enter")
    expect(tab.page.get_by_text(re.compile("Invalid value"))).to_be_visible()
    tab.forgive("400")
    tidy.http.put("/v1/settings/model_inactivity_timeout_minutes", json={"value": 30})


def test_what_would_open_the_server_is_asked_about(tab: Watched, tidy: System) -> None:
    tab.open("settings")
    box = tab.page.get_by_label("Other machines may connect")
    box.click()
    dialog = tab.page.get_by_role("dialog", name="Other machines may connect")
    expect(dialog).to_contain_text("API_KEYS")
    dialog.get_by_role("button", name="Cancel").click()
    expect(box).not_to_be_checked()
    assert tidy.http.get("/v1/settings").json()["bind_to_all_interfaces"] is False


def test_the_log_of_all_processes_is_shown_as_it_is_written(
    tab: Watched, tidy: System, submit: Callable[..., str]
) -> None:
    tab.open("logs")
    lines = tab.page.get_by_role("log", name="Lines")
    expect(lines).to_contain_text("listening on")
    job_id = submit("the secret of the log", app="<b>app</b>")
    outcome(tidy, job_id)
    row = lines.get_by_role("listitem").filter(has_text=f"job {job_id} completed")
    expect(row).to_contain_text("worker")
    expect(row).to_contain_text("app=<b>app</b>")
    expect(lines).not_to_contain_text("the secret of the log")
    tab.page.get_by_label("Words").fill(job_id)
    expect(lines.get_by_role("listitem")).to_have_count(1)


def test_health_says_what_is_wrong_and_what_mends_it(tab: Watched, tidy: System) -> None:
    tab.open("health")
    expect(tab.page.get_by_role("listitem").filter(has_text="Chats are answered by a toy")).to_contain_text(
        "mlxq pull "
    )
    tidy.http.post("/v1/queue/pause?queue=image")
    paused = tab.page.get_by_role("listitem").filter(has_text="Paused: image.")
    expect(paused).to_contain_text("mlxq resume")
    tidy.http.post("/v1/queue/resume")
    expect(paused).to_have_count(0)


def test_a_program_is_told_how_to_connect(tab: Watched, tidy: System) -> None:
    tab.open("connect")
    lines = tab.page.get_by_label("Lines for Claude Code", exact=True)
    expect(lines).to_contain_text(f"export ANTHROPIC_BASE_URL={tidy.url} ")
    tab.page.get_by_role("button", name="Libraries").click()
    expect(tab.page.get_by_label("Lines for OpenAI for Python", exact=True)).to_contain_text(
        f'base_url="{tidy.url}/v1"'
    )
    tab.page.get_by_role("button", name="Test").click()
    expect(tab.page.get_by_text(re.compile("It works: the default model answered"))).to_be_visible()
