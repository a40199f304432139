"""Whisper base with its real weights hears people."""

import json
import re
from difflib import SequenceMatcher
from pathlib import Path

import openai
import pytest

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

CLIPS = Path(__file__).parent.parent / "data" / "librivox"
#: Of all the words of the clips.
MOST_WRONG = 0.02


def test_it_hears_five_sentences(client: openai.OpenAI) -> None:
    texts: dict[str, str] = json.loads((CLIPS / "texts.json").read_text())
    wrong = total = 0
    for name, said in texts.items():
        clip = CLIPS / f"{name}.flac"
        heard = client.audio.transcriptions.create(
            model="whisper-base", file=clip, language="en", temperature=0
        )
        wrong += errors(words(said), words(heard.text))
        total += len(words(said))
    assert total > 60
    assert wrong / total <= MOST_WRONG


def words(text: str) -> list[str]:
    """What is compared: words without case, signs and hyphens; titles as they are read."""
    return re.findall(r"[a-z']+", text.lower().replace("mr.", "mister").replace("-", " "))


def errors(said: list[str], heard: list[str]) -> int:
    """Words put in, left out or changed."""
    pieces = SequenceMatcher(None, said, heard, autojunk=False).get_opcodes()
    return sum(max(b - a, d - c) for kind, a, b, c, d in pieces if kind != "equal")
