"""The view Audio: a transcript that plays along and its subtitles, the microphone, and a spoken text."""

import re
from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.page.watched import Watched

#: Milliseconds in which a model and its libraries are loaded, also on a busy machine.
LOADS = 100_000
RECORDINGS = Path(__file__).parents[1] / "data" / "speech"


def test_a_recording_is_transcribed_and_plays_along(tab: Watched) -> None:
    page = tab.open("audio").page
    page.get_by_label("Model", exact=True).select_option("tiny-whisper")
    page.get_by_label("Language of the recording").select_option("en")
    page.locator(".drop input[type=file]").set_input_files(RECORDINGS / "digits.flac")
    transcript = page.locator(".transcript")
    expect(transcript).to_contain_text("three one two", timeout=LOADS)
    # It goes to the word and stays there, however late this process looks.
    page.locator("audio").evaluate("audio => { audio.play = () => Promise.resolve(); }")
    word = transcript.locator(".word", has_text="two")
    word.click()
    expect(word).to_have_class("word now")
    start = float(word.get_attribute("data-start") or "nan")
    assert page.locator("audio").evaluate("audio => audio.currentTime") >= start

    with page.expect_download() as download:
        page.get_by_role("button", name="SRT").click()
    assert download.value.suggested_filename == "digits.srt"
    written = Path(download.value.path()).read_text()
    assert written.startswith("1\n00:00:0")
    assert "three one two" in written

    page.reload()
    expect(transcript).to_contain_text("three one two")


def record(place: Locator) -> None:
    """A second of the beeps of Chromium's own microphone."""
    place.get_by_role("button", name="Record").click()
    expect(place.get_by_role("timer", name="Recorded")).to_have_text(re.compile("0:0[1-9]"))
    place.get_by_role("button", name="Done").click()


def test_what_the_microphone_hears_is_sent(tab: Watched) -> None:
    page = tab.open("audio").page
    page.get_by_label("Model", exact=True).select_option("tiny-whisper")
    place = page.get_by_role("group", name="A recording")
    place.get_by_role("button", name="Record").click()
    place.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("region", name="Transcript")).to_have_count(0)
    record(place)
    transcript = page.get_by_role("region", name="Transcript")
    expect(transcript.get_by_role("heading")).to_have_text("recording.webm")
    # Beeps are long to transcribe. The server has read the recording once there is a job.
    expect(transcript.get_by_role("button", name=re.compile("^(Cancel|Text)$"))).to_be_enabled()
    assert transcript.locator("audio").evaluate(
        "audio => new Promise((done) => { audio.onended = () => done(audio.currentTime > 0.5); audio.play(); })"
    )


def test_a_voice_is_recorded(tab: Watched) -> None:
    page = tab.open("audio?task=speak").page
    page.get_by_text("More", exact=True).click()
    record(page.get_by_role("group", name="A voice to speak with"))
    expect(page.get_by_label("The recorded voice")).to_be_visible()
    expect(page.get_by_label("Voice", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Without this recording").click()
    expect(page.get_by_label("Voice", exact=True)).to_be_enabled()


def test_a_text_is_spoken_and_downloaded(tab: Watched) -> None:
    page = tab.open("audio?task=speak").page
    page.get_by_label("Text", exact=True).fill("Good morning.")
    page.get_by_label("Voice", exact=True).select_option("vivian")
    page.locator(".speak").get_by_role("button", name="Speak", exact=True).click()
    spoken = page.get_by_label("Spoken")
    expect(spoken.locator("audio")).to_have_count(1, timeout=LOADS)
    with page.expect_download() as download:
        spoken.get_by_role("button", name="Download").click()
    file = Path(download.value.path()).read_bytes()
    assert file[:4] == b"RIFF"
    assert int.from_bytes(file[4:8], "little") == len(file) - 8, "the length is in the header"
