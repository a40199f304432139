"""What families of models that make images have in common: folders of parts as diffusers has them, limits, guidance.

This module reads names of files and small JSON files; it never opens weights.
"""

from dataclasses import dataclass
from pathlib import Path

from jobs.kinds import Category
from jobs.models.card import Guidance, Limits
from mlxq.catalog.families.family import Family
from mlxq.catalog.foreign_json import read_object
from mlxq.catalog.model_config import LONGEST
from mlxq.catalog.size import indexed_files

_PARTS = ("transformer", "text_encoder", "text_encoder_2", "vae")
_INDEX = "*.safetensors.index.json"


#: For a model that is not here yet: what any of them takes.
ANY_LIMITS = Limits(references=4)


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageFamily(Family):
    category: Category = Category.IMAGE
    #: diffusers' names of its pipelines and of its transformer
    classes: frozenset[str]
    #: patterns of the files that a model needs
    needed: tuple[str, ...]
    limits: Limits

    def matches_files(self, path: Path) -> bool:
        if not (path / "transformer").is_dir():
            return False
        return any(
            str(read_object(path / file, LONGEST).get("_class_name", "")) in self.classes
            for file in ("model_index.json", "transformer/config.json")
        )

    def missing_files(self, path: Path) -> list[str]:
        missing = [pattern for pattern in self.needed if not any(path.glob(pattern))]
        for part in _PARTS:
            for index in sorted((path / part).glob(_INDEX)):
                missing += [
                    f"{part}/{name}"
                    for name in indexed_files(index)
                    if not (path / part / Path(name).name).exists()
                ]
        return missing

    def guidance(self, path: Path) -> Guidance:
        """What guidance and a negative prompt do to the model in this folder; nothing by default."""
        return Guidance(0.0, counts=False, negatives=False)
