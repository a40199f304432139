"""Which model answers where none of ours is named: to `default` without a setting, and to names of other services."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from config.settings import Settings
from jobs.kinds import Category
from jobs.models.card import ModelCard
from mlxq.catalog.ref import Model

#: The models that a category falls back on. That of vectors comes with a package that may be installed; the one that
#: speaks is there where the operating system has a program that does.
SHIPPED_NAMES = {
    Category.LLM: "tiny-chat",
    Category.ASR: "tiny-whisper",
    Category.TTS: "system",
    Category.IMAGE: "tiny-image",
    Category.EMBEDDING: "all-MiniLM-L6-v2",
}
#: Why some of them are no real models.
_WEAKNESSES = {
    Category.LLM: "it is a toy",
    Category.ASR: "it knows 38 words only",
    Category.TTS: "it is a voice of the operating system",
    Category.IMAGE: "its pictures are random",
}
#: Categories whose shipped model answers at once to requests that name none; a real one would be large.
AT_ONCE = frozenset({Category.LLM, Category.IMAGE, Category.TTS})
#: Categories whose shipped model answers at once to names of other services too: it serves as well as it can.
SOUND = frozenset({Category.TTS})
#: Categories whose shipped model is random: it never answers under the name of a real one.
RANDOM = frozenset({Category.IMAGE})
#: What else there is to do where a category has no model.
_OTHER_WAYS = {Category.TTS: " On Linux the program espeak-ng speaks too, once it is installed."}
#: What of a machine's memory models may take, where no setting says it.
_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Recommended:
    """A model for a category of which nothing is installed. `size` is what has to be fetched.

    `memory`: it is for machines whose models may take so many GB.
    """

    model: str
    size: str
    memory: float = 0

    @property
    def command(self) -> str:
        return f"`mlxq pull {self.model}` ({self.size})"


#: What models of a category are called.
_KINDS = {
    Category.LLM: "chat model",
    Category.ASR: "speech-to-text model",
    Category.TTS: "model that speaks",
    Category.IMAGE: "model that makes pictures",
    Category.EMBEDDING: "embedding model",
}
#: The first whose memory is there counts.
RECOMMENDED: dict[Category, tuple[Recommended, ...]] = {
    Category.LLM: (
        Recommended("mlx-community/Qwen3-30B-A3B-4bit", "17 GB", 24),
        Recommended("mlx-community/Qwen3-14B-4bit", "8.3 GB", 14),
        Recommended("mlx-community/Qwen3-8B-4bit", "4.6 GB", 8),
        Recommended("mlx-community/Qwen3-4B-4bit", "2.3 GB", 4),
        Recommended("mlx-community/Qwen3-0.6B-4bit", "0.4 GB"),
    ),
    Category.ASR: (Recommended("mlx-community/whisper-tiny", "0.1 GB"),),
    Category.TTS: (Recommended("mlx-community/Qwen3-TTS-12Hz-0.6B-Base-bf16", "2.5 GB"),),
    Category.IMAGE: (
        Recommended("Tongyi-MAI/Z-Image-Turbo", "33 GB", 24),
        Recommended("black-forest-labs/FLUX.2-klein-4B", "16 GB"),
    ),
    Category.EMBEDDING: (Recommended("mlx-community/all-MiniLM-L6-v2-4bit", "0.1 GB"),),
}


class Advice:
    """What is recommended for this machine."""

    def __init__(self, settings: Settings) -> None:
        #: GB that models may take
        self.memory = settings.memory_budget_gb or _machine_gb() * _SHARE

    def recommended(self, category: Category) -> Recommended:
        return next(each for each in RECOMMENDED[category] if each.memory <= self.memory)

    def lacking(self, category: Category) -> str:
        """Why there is no model of that category, and what changes it."""
        return (
            f"No {_KINDS[category]} is installed. {self.recommended(category).command} fetches one, and the next "
            f"request uses it; {category.upper()}_MODEL names another.{_OTHER_WAYS.get(category, '')}"
        )

    def makeshift(self, category: Category) -> str:
        """What is told where the model that a category falls back on answers; empty for a real one."""
        if category not in _WEAKNESSES:
            return ""
        name, command = SHIPPED_NAMES[category], self.recommended(category).command
        return f"the model '{name}' answered, {_WEAKNESSES[category]}: {command} fetches a real one"

    def best(self, installed: Iterable[Model], category: Category) -> Model | None:
        """The model of that category that is used where nobody has chosen one.

        Of chat models that is the largest whose weights leave a fifth of the memory.
        """
        found = [model for model in installed if model.category == category and model.serves]
        return min(
            found, key=lambda model: (not model.preferred, self._misfit(model), model.id), default=None
        )

    def _misfit(self, model: Model) -> tuple[bool, int]:
        size = model.weight_bytes if isinstance(model, ModelCard) else None
        if model.category != Category.LLM or size is None:
            return False, 0
        return size > 0.8 * self.memory * 2**30, -size


def _machine_gb() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
