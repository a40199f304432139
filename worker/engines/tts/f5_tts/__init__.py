"""F5-TTS by f5-tts-mlx: `family.py` is the family's entry; the others load any size, and sample step by step."""

from worker.engines.tts.f5_tts.family import F5TTS, MODEL

__all__ = ["F5TTS", "MODEL"]
