"""The types of models that clients name in requests, and in which order they are listed."""

from typing import Annotated, Literal

from pydantic import StringConstraints

#: `vlm` is a language model that reads images.
ModelType = Literal["llm", "asr", "tts", "image", "vlm", "embedding"]
#: A worker, by its own name or that of its machine.
WorkerName = Annotated[str, StringConstraints(min_length=1, max_length=300)]
