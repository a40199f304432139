"""Which models make pictures: folders of parts as diffusers has them, what is missing in one, what each family takes.

It looks at names of files and at small JSON files; it never opens weights.
"""

from dataclasses import dataclass
from pathlib import Path

from mlxq.catalog.foreign_json import read_object
from mlxq.catalog.model_config import LONGEST

Z_IMAGE, FLUX2, FLUX1 = "z_image", "flux2", "flux1"
TYPES = frozenset({Z_IMAGE, FLUX2, FLUX1})

#: Short names, the hub's, and the setting whose folder takes their place.
ALIASES = {
    "zimage": "Tongyi-MAI/Z-Image-Turbo",
    "z-image": "Tongyi-MAI/Z-Image-Turbo",
    "z-image-turbo": "Tongyi-MAI/Z-Image-Turbo",
    "flux": "black-forest-labs/FLUX.2-klein-4B",
    "flux.2-klein": "black-forest-labs/FLUX.2-klein-4B",
    "flux.1-schnell": "black-forest-labs/FLUX.1-schnell",
    # The same weights in DiffusionKit's layout; the name is what clients know.
    "argmaxinc/mlx-flux.1-schnell": "black-forest-labs/FLUX.1-schnell",
}
FOLDER_OF = {
    "zimage": "zimage",
    "z-image": "zimage",
    "z-image-turbo": "zimage",
    "flux": "flux",
    "flux.2-klein": "flux",
}

_CLASSES = {
    "ZImagePipeline": Z_IMAGE,
    "ZImageTransformer2DModel": Z_IMAGE,
    "Flux2Pipeline": FLUX2,
    "Flux2KleinPipeline": FLUX2,
    "Flux2Transformer2DModel": FLUX2,
    "FluxPipeline": FLUX1,
    "FluxTransformer2DModel": FLUX1,
}
_PARTS = ("transformer", "text_encoder", "text_encoder_2", "vae")
_NEEDED = {
    Z_IMAGE: (
        *("scheduler/scheduler_config.json", "transformer/config.json", "transformer/*.safetensors"),
        *("text_encoder/config.json", "text_encoder/*.safetensors", "vae/config.json", "vae/*.safetensors"),
        *("tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"),
    ),
    FLUX2: (
        *("transformer/config.json", "transformer/*.safetensors", "text_encoder/config.json"),
        *("text_encoder/*.safetensors", "vae/*.safetensors"),
        *("tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"),
    ),
    FLUX1: (
        *("transformer/config.json", "transformer/*.safetensors", "text_encoder/*.safetensors"),
        *(
            "text_encoder_2/*.safetensors",
            "vae/*.safetensors",
            "tokenizer/vocab.json",
            "tokenizer/merges.txt",
        ),
        *("tokenizer_2/tokenizer.json", "tokenizer_2/tokenizer_config.json"),
    ),
}
_INDEX = "*.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class Limits:
    """Pixels of a side, which is a multiple of 16, how many pictures can be shown to the model, and the steps that it
    usually takes.
    """

    shortest: int
    longest: int
    references: int
    steps: int


_LIMITS = {Z_IMAGE: Limits(16, 2048, 1, 9), FLUX2: Limits(16, 2048, 4, 4), FLUX1: Limits(16, 2048, 1, 4)}
#: For a model that is not here yet: what any of them takes.
_ANY = Limits(16, 2048, 4, 4)


def image_family(path: Path) -> str | None:
    """The family of the model in this folder; None: it makes no pictures, or it is not known."""
    if not (path / "transformer").is_dir():
        return None
    for file in ("model_index.json", "transformer/config.json"):
        family = _CLASSES.get(str(read_object(path / file, LONGEST).get("_class_name", "")))
        if family is not None:
            return family
    return None


def missing_files(path: Path, family: str) -> list[str]:
    """What the folder lacks, as patterns and names below it."""
    missing = [pattern for pattern in _NEEDED[family] if not any(path.glob(pattern))]
    for part in _PARTS:
        for index in sorted((path / part).glob(_INDEX)):
            named = read_object(index).get("weight_map")
            files = sorted({str(name) for name in named.values()}) if isinstance(named, dict) else []
            missing += [f"{part}/{name}" for name in files if not (path / part / Path(name).name).exists()]
    return missing


def limits(family: str | None) -> Limits:
    return _LIMITS.get(family or "", _ANY)
