"""Stop strings: whatever the tokens, a stop string is never shown, and nothing else is held back for long."""

import pytest

from worker.engines.llm.answers.stops import StopMatcher


def read(stops: list[str], pieces: list[str]) -> tuple[str, bool]:
    """What is shown of `pieces`, and whether a stop string ended it."""
    matcher = StopMatcher(stops)
    shown = ""
    for piece in pieces:
        shown += matcher.feed(piece)
        if matcher.stopped:
            return shown, True
    return shown + matcher.flush(), False


@pytest.mark.parametrize(
    ("stops", "pieces", "expected"),
    [
        ([], ["any", "thing"], ("anything", False)),
        (["END"], ["the END of"], ("the ", True)),
        (["END"], ["the E", "N", "D of"], ("the ", True)),
        (["END"], ["the E", "N", "d"], ("the ENd", False)),
        (["END"], ["EN"], ("EN", False)),
        (["aab"], ["a", "a", "a", "b", "c"], ("a", True)),
        (["\n\n", "###"], ["one\n", "\ntwo###"], ("one", True)),
        (["b", "abc"], ["a", "b", "c"], ("a", True)),
        (["é!"], ["caf", "é", "!", "x"], ("caf", True)),
        (["xyz"], list("xyxyxyz-"), ("xyxy", True)),
    ],
)
def test_table(stops: list[str], pieces: list[str], expected: tuple[str, bool]) -> None:
    assert read(stops, pieces) == expected


def test_text_that_can_not_become_a_stop_string_is_shown_at_once() -> None:
    matcher = StopMatcher(["</end>"])
    assert matcher.feed("hello <") == "hello "
    assert matcher.feed("b>") == "<b>"


def test_any_cut_of_a_text_shows_the_same() -> None:
    text, stops = "one two </s> three", ["</s>", "never"]
    for first in range(len(text)):
        for second in range(first, len(text)):
            pieces = [text[:first], text[first:second], text[second:]]
            assert read(stops, pieces) == ("one two ", True)
