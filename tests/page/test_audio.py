"""The view Audio: a transcript that plays along and its subtitles, and a spoken text."""

from pathlib import Path

from playwright.sync_api import expect

from tests.page.watched import Watched

RECORDINGS = Path(__file__).parents[1] / "data" / "speech"


def test_a_recording_is_transcribed_and_plays_along(tab: Watched) -> None:
    page = tab.open("audio").page
    page.get_by_label("Model", exact=True).select_option("tiny-whisper")
    page.get_by_label("Language of the recording").select_option("en")
    page.locator(".drop input[type=file]").set_input_files(RECORDINGS / "digits.flac")
    transcript = page.locator(".transcript")
    expect(transcript).to_contain_text("three one two", timeout=60_000)
    page.locator("audio").evaluate("audio => audio.muted = true")
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


def test_a_text_is_spoken_and_downloaded(tab: Watched) -> None:
    page = tab.open("audio?task=speak").page
    page.get_by_label("Text", exact=True).fill("Good morning.")
    page.get_by_label("Voice", exact=True).select_option("vivian")
    page.locator(".speak").get_by_role("button", name="Speak", exact=True).click()
    spoken = page.get_by_label("Spoken")
    # The model and its libraries may have to be loaded first.
    expect(spoken.locator("audio")).to_have_count(1, timeout=60_000)
    with page.expect_download() as download:
        spoken.get_by_role("button", name="Download").click()
    file = Path(download.value.path()).read_bytes()
    assert file[:4] == b"RIFF"
    assert int.from_bytes(file[4:8], "little") == len(file) - 8, "the length is in the header"
