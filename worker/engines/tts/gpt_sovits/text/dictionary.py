"""The pronouncing dictionary of Carnegie Mellon University, from which GPT-SoVITS learned to read English.

This module knows the forms that its files have. It does not know sentences, nor where a file lies.
"""

from collections.abc import Mapping
from pathlib import Path

from worker.engines.tts.gpt_sovits.text.alphabet import ENGLISH


class Dictionary:
    """The readings of words, each of them a list of phonemes."""

    def __init__(self, readings: Mapping[str, str]) -> None:
        """`readings` of words in lower case, the usual one first, with commas between them."""
        # Lists of so many words would cost each pass of the garbage collector.
        self._readings = readings

    @classmethod
    def read(cls, file: Path) -> "Dictionary":
        """Read `cmudict.dict`, or the `cmudict.rep` of GPT-SoVITS. Lines of other forms are left out.

        Raises ValueError for a file that cannot be read or has no words.
        """
        try:
            text = file.read_text("utf-8", errors="replace")
        except OSError as error:
            raise ValueError(f"its {file.name} cannot be read: {error.strerror}") from None
        readings: dict[str, str] = {}
        for line in text.splitlines():
            word, _, reading = line.partition(" ")
            # A comment may follow, and some files have a sign between syllables.
            reading = reading.partition("#")[0].replace(" - ", " ").strip()
            if reading and ENGLISH.issuperset(reading.split()):
                # Other readings than the usual one have a number: `read(2)`.
                word = word.lower().partition("(")[0]
                readings[word] = f"{readings[word]},{reading}" if word in readings else reading
        if not readings:
            raise ValueError(f"its {file.name} is no dictionary of pronunciations")
        return cls(readings)

    def readings(self, word: str) -> list[list[str]]:
        """The readings of a word in any case, the usual one first. There may be none."""
        found = self._readings.get(word.lower())
        return [] if found is None else [reading.split() for reading in found.split(",")]
