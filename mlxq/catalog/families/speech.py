"""What families of models that speak have in common: options, and the voices that a model has of its own."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from config.values import JsonObject
from jobs.kinds import Category
from mlxq.catalog.families.family import Candidate, Family

#: What a model may take beside a text and a voice, by the names that requests have for it.
REFERENCE_TEXT, LANGUAGE, INSTRUCTIONS = "reference_text", "language", "instructions"

#: OpenAI's names of voices. Each stands for a voice of the model's own, if it has any.
OPENAI_VOICES = (
    *("alloy", "ash", "ballad", "coral", "echo", "fable", "nova"),
    *("onyx", "sage", "shimmer", "verse", "marin", "cedar"),
)


@dataclass(frozen=True, slots=True)
class Recordings:
    """What recordings of a voice a model takes: their seconds, and how many channels they may have."""

    shortest: float = 0.0
    longest: float = math.inf
    channels: float = math.inf

    def fault(self, seconds: float, channels: int, *, margin: float = 0.0) -> str | None:
        """Why a recording is not taken; None: it is. `margin`: seconds by which its length may be wrong."""
        if channels > self.channels:
            return f"it has {channels} channels: record it, or convert it, to mono"
        if not self.shortest - margin <= seconds <= self.longest + margin:
            taken = f"{self.shortest:g} to" if self.shortest else "up to"
            return f"it has {seconds:.1f} seconds, and the model takes {taken} {self.longest:g}"
        return None


@dataclass(frozen=True, kw_only=True, eq=False)
class SpeechFamily(Family):
    """A family of models that speak. Its name is the `model_type` of config.json."""

    category: Category = Category.TTS
    #: which of the options have an effect
    options: frozenset[str] = frozenset()
    #: the library's name for its type; empty: the family's name
    library_type: str = ""
    #: keys of config.json that identify it where that names no type
    keys: frozenset[str] = frozenset()
    #: a part of the names of its models, in lower case, with hyphens
    word: str = ""
    #: whether the name identifies it: config.json has no type, or the one of a language model
    by_name: bool = False
    #: whether its models take a speed; the audio of others is stretched
    own_speed: bool = False
    #: what recordings of a voice its models take
    recordings: Recordings = Recordings()

    @property
    def type(self) -> str:
        """The library's name for its type."""
        return self.library_type or self.name

    def matches_config(self, candidate: Candidate) -> bool:
        said = written_type(candidate.config)
        if said == self.name:
            return True
        if not said and self.keys and self.keys <= candidate.config.keys():
            return True
        return self.by_name and self.is_called(candidate.model_id)

    def is_called(self, name: str) -> bool:
        """Whether a model of that name is of this family, as far as its name tells."""
        return bool(self.word) and self.word in name.lower().replace("_", "-")

    def options_of(self, config: JsonObject) -> frozenset[str]:
        """Which options have an effect on the model with this config.json."""
        return self.options

    def voices(self, path: Path) -> tuple[str, ...]:
        """The names of the voices that the model in this folder has of its own."""
        try:
            files = [file.name for file in os.scandir(path / "voices")]
        except OSError:
            return ()
        names = (Path(name) for name in files if name.isprintable())
        return tuple(sorted({name.stem for name in names if name.suffix in (".safetensors", ".npy")}))

    def lacking(self) -> str | None:
        """Which libraries are missing in this environment, for the user; None: none that is known of."""
        return None


def written_type(config: JsonObject) -> str:
    """The type that config.json names, in lower case; empty without one."""
    return str(config.get("model_type") or config.get("architecture") or "").lower()


def own_voice(name: str, voices: tuple[str, ...]) -> str | None:
    """Which of a model's own voices a name means, in any case. None: it has no such voice.

    Each of OpenAI's names always means the same one of the model's voices.
    """
    wanted = name.casefold()
    for voice in voices:
        if voice.casefold() == wanted:
            return voice
    if wanted not in OPENAI_VOICES or not voices:
        return None
    # Kokoro's voices are called after OpenAI's: af_alloy, am_echo.
    alike = next((voice for voice in voices if voice.casefold().endswith(f"_{wanted}")), None)
    return alike or voices[OPENAI_VOICES.index(wanted) % len(voices)]
