"""How a model is asked to speak, as far as the signature of its `generate` says it.

Families that differ from it have files of their own beside this one, with a class `Special`.
"""

import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_audio.tts.utils import load as load_model

from config.settings import Settings
from jobs.errors import InvalidRequest
from mlxq.catalog.tts import own_voice
from worker.audio import decode

#: Seconds of sound that come at once: a listener waits for the first of them, the device for all.
INTERVAL = 0.4
#: Families that speak at another speed by themselves; what others say is stretched.
_OWN_SPEED = ("kitten_tts", "kokoro", "melotts")


@dataclass(frozen=True, slots=True)
class Wish:
    """How a text shall be spoken. `recording`: a WAV file of the voice; `transcript`: what is said in it.

    `usual`: the recording is only what is usual where no voice was named.
    """

    voice: str | None = None
    instructions: str | None = None
    language: str | None = None
    speed: float = 1.0
    recording: Path | None = None
    transcript: str | None = None
    usual: bool = False


class Family:
    """A loaded model, and what may be asked of it."""

    #: Characters that are spoken in one go, see `pieces.weight`: a model's answer has a longest length.
    longest = 400

    def __init__(self, model: Any, voices: tuple[str, ...]) -> None:
        self.model = model
        self.voices = voices
        self.takes = inspect.signature(model.generate).parameters
        package = type(model).__module__
        self.own_speed = any(f".{family}." in package for family in _OWN_SPEED)

    @classmethod
    def prepared(cls, path: Path) -> AbstractContextManager[Path]:
        """The folder that the library can load from."""
        return nullcontext(path)

    @classmethod
    def load(cls, path: Path, kind: str, settings: Settings) -> Any:
        """The library's model. Raises MlxqError."""
        with cls.prepared(path) as prepared:
            # The library would judge a model by its folder's name before its type.
            return load_model(prepared, model_type=kind, model_name_parts=[])

    def check(self) -> None:
        """Raises ValueError, which says what the library could not load."""

    @property
    def clones(self) -> bool:
        """Whether it speaks with the voice of a recording."""
        return "ref_audio" in self.takes

    @property
    def why_not(self) -> str:
        """Why it does not."""
        return "it has voices of its own" if self.voices else "its voice is its own"

    @property
    def sample_rate(self) -> int:
        return int(self.model.sample_rate)

    def arguments(self, wish: Wish) -> dict[str, Any]:
        """What `generate` gets beside the text. Raises InvalidRequest for a wish that can't be fulfilled."""
        arguments = {
            "voice": self.voice(wish.voice),
            "instruct": wish.instructions,
            "speed": wish.speed if self.own_speed else None,
            "stream": True,
            "streaming_interval": INTERVAL,
            "verbose": False,
        }
        if wish.language is not None:
            arguments[self._first("lang_code", "language", "lang")] = self.language(wish.language)
        if wish.recording is not None and not self.clones and not wish.usual:
            raise InvalidRequest(
                f"The model does not speak with the voice of a recording: {self.why_not}.",
                param="voice",
                code="unsupported_value",
            )
        if wish.recording is not None and self.clones:
            arguments["ref_audio"] = self.recording(wish.recording)
            arguments["ref_text"] = wish.transcript
        return {name: value for name, value in arguments.items() if name in self.takes and value is not None}

    def voice(self, name: str | None) -> str | None:
        """The model's own name for a voice. Raises InvalidRequest for one that it does not have."""
        if name is None:
            return None
        voice = own_voice(name, self.voices)
        if voice is None and self.voices:
            raise InvalidRequest(
                f"Invalid 'voice': the model's voices are {', '.join(self.voices)}.", param="voice"
            )
        return voice

    def language(self, language: str) -> str:
        """The model's own name for a language; libraries write them as their default is written."""
        names = (self.takes[name] for name in ("lang_code", "language", "lang") if name in self.takes)
        usual = next((str(each.default) for each in names), "")
        language = language.replace("-", "_") if "_" in usual else language
        return language.upper() if usual.isupper() else language.lower() if usual.islower() else language

    def check_text(self, text: str) -> None:
        """Raises InvalidRequest for a text that the model can't say anything of."""

    def recording(self, path: Path) -> Any:
        """A voice as the model takes it: the file, or its samples for models that take nothing else."""
        annotation = str(self.takes["ref_audio"].annotation)
        if "array" not in annotation or "str" in annotation or "Path" in annotation:
            return str(path)
        return mx.array(np.concatenate(list(decode(path, self.sample_rate))))

    def speak(self, text: str, arguments: dict[str, Any]) -> Iterator[Any]:
        """GenerationResults, as they come."""
        yield from self.model.generate(text=text, **arguments)

    def tokens(self, text: str) -> int:
        """How long a text is to the model; in characters when it has no tokenizer."""
        encode = getattr(getattr(self.model, "tokenizer", None), "encode", None)
        return len(encode(text)) if encode is not None else len(text)

    def tidy(self) -> None:
        """Called when a text has been spoken."""

    def _first(self, *names: str) -> str:
        return next((name for name in names if name in self.takes), names[0])
