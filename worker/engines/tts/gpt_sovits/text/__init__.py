"""Text to phonemes for GPT-SoVITS: Chinese, English, Japanese, and texts of several of them.

This package knows text and the alphabet. It does not know networks.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phonemes:
    """A part of a text in one language: its phonemes' numbers.

    `repeats`: how many phonemes each character of `text` has, for Chinese only.
    """

    ids: list[int]
    text: str
    repeats: list[int] | None = None


__all__ = ["Phonemes"]
