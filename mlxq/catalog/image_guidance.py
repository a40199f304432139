"""What guidance and a negative prompt do to a model that makes pictures, by the small JSON files of its folder."""

from dataclasses import dataclass
from pathlib import Path

from mlxq.catalog.foreign_json import read_object
from mlxq.catalog.image import FLUX1, FLUX2, Z_IMAGE

#: Z-Image's scheduler has a greater shift than this where the model is not distilled, as mlx-vlm tells them apart.
_TURBO_SHIFT = 3.0


@dataclass(frozen=True, slots=True)
class Guidance:
    """`usual` is what a request that says nothing gets. `counts`: another one changes the picture.

    `negatives`: what is not wanted is looked at, where the guidance is above 1.
    """

    usual: float
    counts: bool
    negatives: bool

    def reads_negatives(self, guidance: float | None) -> bool:
        return self.negatives and (self.usual if guidance is None else guidance) > 1


def guidance_of(path: Path, family: str | None) -> Guidance | None:
    """None for a family that is not known here."""
    if family == Z_IMAGE:
        shift = read_object(path / "scheduler" / "scheduler_config.json").get("shift", _TURBO_SHIFT)
        turbo = not isinstance(shift, int | float) or shift <= _TURBO_SHIFT
        return Guidance(0.0, counts=False, negatives=False) if turbo else Guidance(4.0, True, True)
    if family == FLUX2:
        distilled = bool(read_object(path / "model_index.json").get("is_distilled", True))
        return Guidance(1.0 if distilled else 4.0, counts=True, negatives=True)
    if family == FLUX1:
        dev = bool(read_object(path / "transformer" / "config.json").get("guidance_embeds"))
        return Guidance(3.5 if dev else 0.0, counts=dev, negatives=False)
    return None
