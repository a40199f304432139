"""The view Chat: ask, stop, edit and send again, reload in the middle of an answer, markup that stays text."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.page.models import MARKUP, WORDS
from tests.page.watched import Watched, watched
from tests.support.system import System


@pytest.fixture
def chat(tab: Watched) -> Page:
    """The view with the model `talker`, which always says the same."""
    tab.open("chat").page.get_by_label("Model", exact=True).select_option("talker")
    return tab.page


def ask(page: Page, text: str) -> Locator:
    """Sends a message; returns the answer."""
    message = page.get_by_label("Message", exact=True)
    message.fill(text)
    message.press("Enter")
    expect(message).to_have_value("")
    return page.locator(".message.assistant").last


def test_an_answer_is_stopped_edited_and_resumed_after_a_reload(chat: Page) -> None:
    chat.get_by_label("Model", exact=True).select_option("rambler")
    first = ask(chat, "Tell me a story")
    expect(first).to_contain_text("w20 ")
    chat.keyboard.press("Escape")
    expect(first.locator(".facts")).to_contain_text("stopped")

    chat.get_by_label("Model", exact=True).select_option("talker")
    chat.get_by_label("Edit and send again").click()
    chat.get_by_label("Edit the message").fill("Tell me another one")
    chat.get_by_role("button", name="Send", exact=True).click()
    expect(chat.locator(".message.user")).to_contain_text("Tell me another one")
    expect(chat.locator(".versions").first).to_contain_text("2/2")
    second = chat.locator(".message.assistant").last
    expect(second).to_contain_text("w20 ")

    chat.reload()
    expect(second.locator(".facts")).to_contain_text("tokens/s", timeout=60_000)
    said = re.findall(r"w\d+", second.locator(".markdown").inner_text())
    assert said == [word.strip() for word in WORDS], "a gap or a duplicate"

    chat.get_by_label("Version before").first.click()
    expect(chat.locator(".message.user")).to_contain_text("Tell me a story")
    expect(chat.locator(".message.assistant .facts")).to_contain_text("stopped")


def test_a_phone_joins_an_answer_that_is_being_made(chat: Page, browser: Browser, tidy: System) -> None:
    answer = ask(chat, "Tell me a story")
    expect(answer).to_contain_text("w5 ")
    job = tidy.http.get("/v1/jobs", params={"limit": 1}).json()["data"][0]["id"]
    with watched(browser, tidy.url, viewport={"width": 390, "height": 844}) as phone:
        phone.open(f"chat?job={job}")
        expect(phone.page.locator(".message.assistant")).to_contain_text("w20 ")
    chat.get_by_label("Open on a phone").click()
    expect(chat.get_by_role("dialog")).to_contain_text("The server listens on this machine only.")
    chat.keyboard.press("Escape")
    expect(chat.get_by_role("dialog")).to_have_count(0)


#: Chooses a model as soon as there is a field for it.
CHOOSES_AT_ONCE = """
new MutationObserver((_, observer) => {
  const field = document.querySelector("select");
  if (![...(field?.options ?? [])].some(({ value }) => value === "talker")) return;
  observer.disconnect();
  field.value = "talker";
  field.dispatchEvent(new Event("change", { bubbles: true }));
}).observe(document, { childList: true, subtree: true });
"""


def test_a_model_that_is_chosen_at_once_stays_chosen(tab: Watched) -> None:
    tab.page.add_init_script(CHOOSES_AT_ONCE)
    tab.open("chat")
    expect(ask(tab.page, "Hi")).to_have_attribute("aria-label", "talker")


def test_markup_of_an_answer_stays_text(chat: Page) -> None:
    answer = ask(chat, "<b>Markup</b>")
    expect(answer.locator(".facts")).to_contain_text("tokens/s", timeout=60_000)
    expect(answer).to_contain_text(MARKUP[0])
    expect(answer).to_contain_text("<script>hacked=1</script>")
    expect(chat.locator(".message.user")).to_contain_text("<b>Markup</b>")
    assert answer.locator(".markdown").locator("img, script").count() == 0
    assert [link.get_attribute("href") for link in answer.locator(".markdown a").all()] == [
        None,
        "http://192.0.2.1/picture.png",
    ]
    expect(answer.locator("strong")).to_have_text("bold")
    expect(answer.locator("pre")).to_have_text("print('code')\n")
    assert chat.evaluate("typeof hacked") == "undefined"


def test_an_input_methods_enter_chooses_a_word(chat: Page) -> None:
    message = chat.get_by_label("Message", exact=True)
    message.focus()
    keyboard = chat.context.new_cdp_session(chat)
    keyboard.send("Input.imeSetComposition", {"text": "にほん", "selectionStart": 3, "selectionEnd": 3})
    expect(message).to_have_value("にほん")
    # Of these codes the second is what Safari has for a key that an input method takes.
    for code in (13, 229):
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": code}
        keyboard.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **key})
        keyboard.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})
    keyboard.send("Input.insertText", {"text": "日本"})
    expect(message).to_have_value("日本")
    message.press("Enter")
    expect(message).to_have_value("")
    expect(chat.locator(".message.user .said")).to_have_text("日本")


def test_conversations_are_listed_exported_renamed_imported_and_deleted(chat: Page, tmp_path: Path) -> None:
    chat.get_by_label("Model", exact=True).select_option("tiny-chat")
    answer = ask(chat, "What is the capital of France?")
    expect(answer.locator(".facts")).to_contain_text("tokens")
    titles = chat.locator(".conversations .title")
    expect(titles.first).to_have_text("What is the capital of France?")

    with chat.expect_download() as download:
        chat.get_by_label("Export").click()
        chat.get_by_role("dialog").get_by_role("button", name="JSON").click()
    file = tmp_path / "conversation.json"
    download.value.save_as(file)
    titles.first.hover()
    chat.get_by_label("Rename What is the capital of France?").click()
    chat.get_by_label("Title").fill("<i>France</i>")
    chat.get_by_role("button", name="Rename", exact=True).click()
    expect(titles.first).to_have_text("<i>France</i>")
    count = titles.count()
    chat.locator(".conversations input[type=file]").set_input_files(file)
    expect(titles).to_have_count(count + 1)
    expect(chat.locator(".message.assistant")).to_contain_text("Paris")

    titles.first.hover()
    chat.get_by_label("Delete What is the capital of France?").first.click()
    chat.get_by_role("button", name="Delete", exact=True).click()
    expect(titles).to_have_count(count)
    expect(chat.locator(".message")).to_have_count(0)
