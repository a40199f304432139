"""GPT-SoVITS: `family.py` is its entry, `model.py` the whole, `text/` makes phonemes, the rest are networks."""

from worker.engines.tts.gpt_sovits.family import MODEL, GptSoVITS

__all__ = ["MODEL", "GptSoVITS"]
