"""IndexTTS: it always speaks with the voice of a recording."""

from mlxq.catalog.families.speech import SpeechFamily

INDEXTTS = SpeechFamily(name="indextts", keys=frozenset({"bigvgan", "gpt"}))
