"""Kokoro with its real weights speaks, and Whisper writes down what it has said."""

import re
import wave
from io import BytesIO

import openai
import pytest

pytestmark = [pytest.mark.real, pytest.mark.timeout(1200)]

SENTENCE = "Hello! How are you today?"


@pytest.mark.filterwarnings("ignore:open_text is deprecated")
def test_what_it_says_is_understood(client: openai.OpenAI) -> None:
    speech = client.audio.speech.create(
        model="kokoro", voice="af_alpha", input=SENTENCE, response_format="wav"
    ).content
    with wave.open(BytesIO(speech)) as sound:
        assert 1 < sound.getnframes() / sound.getframerate() < 5
    heard = client.audio.transcriptions.create(
        model="whisper-base", file=("speech.wav", speech), language="en", temperature=0
    )
    assert words(heard.text) == words(SENTENCE)


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())
