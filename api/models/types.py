"""The types of models that clients name in requests, and in which order they are listed."""

from typing import Literal

#: `vlm` is a language model that reads images.
ModelType = Literal["llm", "asr", "tts", "image", "vlm", "embedding"]
