"""A speech model and its `generate`, whose signature tells which arguments it takes.

Families that need more have a subclass in a file of their own beside this one.
"""

import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from config.settings import Settings
from jobs.errors import InvalidRequest
from mlxq.catalog.families.speech import own_voice
from worker.audio import decode

#: Seconds of audio in one chunk. Short chunks reach a listener sooner; long ones use the device better.
INTERVAL = 0.4


@dataclass(frozen=True, slots=True)
class SpeechParams:
    """Parameters of a speech request. `recording`: a WAV file of the voice; `transcript`: its text.

    `default`: the recording comes from the settings, not from the request.
    """

    voice: str | None = None
    instructions: str | None = None
    language: str | None = None
    speed: float = 1.0
    recording: Path | None = None
    transcript: str | None = None
    default: bool = False


class SpeechModel:
    """A loaded model and the parameters that it takes."""

    #: Weight of the longest piece of text, see `pieces.weight`: a model's output has a longest length.
    longest = 400
    #: Whether it always speaks with the voice of a recording.
    needs_recording = False

    def __init__(self, model: Any, voices: tuple[str, ...], *, own_speed: bool = False) -> None:
        """`own_speed`: the model takes a speed; the audio of others is stretched."""
        self.model = model
        self.voices = voices
        self.takes = inspect.signature(model.generate).parameters
        self.own_speed = own_speed

    @classmethod
    def prepared(cls, path: Path) -> AbstractContextManager[Path]:
        """The folder in a form that the library can load."""
        return nullcontext(path)

    @classmethod
    def import_library(cls, kind: str) -> None:
        """Import what `load` needs for this type of model."""
        from mlx_audio.tts.utils import get_model_and_args

        get_model_and_args(kind, [])
        # The library imports it while it loads.
        import_module("transformers.models.auto.tokenization_auto")

    @classmethod
    def load(cls, path: Path, kind: str, settings: Settings) -> Any:
        """The library's model. Raises MlxqError."""
        from mlx_audio.tts.utils import load as load_model

        with cls.prepared(path) as prepared:
            # Without a type the library would choose by the folder's name.
            return load_model(prepared, model_type=kind, model_name_parts=[])

    def check(self) -> None:
        """Raises ValueError for parts that the library could not load."""

    @property
    def clones(self) -> bool:
        """Whether it speaks with the voice of a recording."""
        return "ref_audio" in self.takes

    @property
    def why_not(self) -> str:
        """The reason why it does not clone voices."""
        return "it has voices of its own" if self.voices else "its voice is its own"

    @property
    def sample_rate(self) -> int:
        return int(self.model.sample_rate)

    def arguments(self, params: SpeechParams) -> dict[str, object]:
        """The arguments of `generate` beside the text. Raises InvalidRequest for unsupported parameters."""
        arguments = {
            "voice": self.voice(params.voice),
            "instruct": params.instructions,
            "speed": params.speed if self.own_speed else None,
            "stream": True,
            "streaming_interval": INTERVAL,
            "verbose": False,
        }
        if params.language is not None:
            arguments[self._first("lang_code", "language", "lang")] = self.language(params.language)
        if params.recording is None and self.needs_recording:
            raise InvalidRequest(
                "The model speaks with the voice of a recording: name one of voices.json, give 'reference_audio', "
                "or set TTS_REF_AUDIO.",
                param="voice",
            )
        if params.recording is not None and not self.clones and not params.default:
            raise InvalidRequest(
                f"The model does not speak with the voice of a recording: {self.why_not}.",
                param="voice",
                code="unsupported_value",
            )
        if params.recording is not None and self.clones:
            arguments["ref_audio"] = self.recording(params.recording)
            arguments["ref_text"] = params.transcript
        return {name: value for name, value in arguments.items() if name in self.takes and value is not None}

    def voice(self, name: str | None) -> str | None:
        """The model's own name of a voice. Raises InvalidRequest for an unknown one."""
        if name is None:
            return None
        voice = own_voice(name, self.voices)
        if voice is None and self.voices:
            raise InvalidRequest(
                f"Invalid 'voice': the model's voices are {', '.join(self.voices)}.", param="voice"
            )
        return voice

    def language(self, language: str) -> str:
        """The model's own name of a language, in the case and with the separator of the library's default."""
        names = (self.takes[name] for name in ("lang_code", "language", "lang") if name in self.takes)
        default = next((str(each.default) for each in names), "")
        language = language.replace("-", "_") if "_" in default else language
        return language.upper() if default.isupper() else language.lower() if default.islower() else language

    def check_text(self, text: str) -> None:
        """Raises InvalidRequest for a text of which the model can speak nothing."""

    def recording(self, path: Path) -> Any:
        """A recording as the model takes it: a path, or samples for models that only take arrays."""
        annotation = str(self.takes["ref_audio"].annotation)
        if "array" not in annotation or "str" in annotation or "Path" in annotation:
            return str(path)
        return mx.array(np.concatenate(list(decode(path, self.sample_rate))))

    def speak(self, text: str, arguments: dict[str, object]) -> Iterator[Any]:
        """Yields the library's GenerationResults."""
        yield from self.model.generate(text=text, **arguments)

    def tokens(self, text: str) -> int:
        """The number of the text's tokens; of its characters when the model has no tokenizer."""
        encode = getattr(getattr(self.model, "tokenizer", None), "encode", None)
        return len(encode(text)) if encode is not None else len(text)

    def tidy(self) -> None:
        """Called after each request."""

    def _first(self, *names: str) -> str:
        return next((name for name in names if name in self.takes), names[0])


def unusable_recording(fault: str) -> InvalidRequest:
    return InvalidRequest(
        f"The recording of the voice can't be used: {fault}.", param="voice", code="invalid_audio"
    )


MODEL = SpeechModel
