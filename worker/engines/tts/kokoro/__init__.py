"""Kokoro: `family.py` is the family's entry, `pipelines.py` makes phonemes with libraries that are an extra."""

from worker.engines.tts.kokoro.family import MODEL, Kokoro

__all__ = ["MODEL", "Kokoro"]
