"""Z-Image, distilled (Turbo) or not."""

from pathlib import Path

from jobs.models.card import Guidance, Limits
from mlxq.catalog.families.image import ImageFamily
from mlxq.catalog.foreign_json import read_object

#: The scheduler of a model that is not distilled has a greater shift, as mlx-vlm tells them apart.
_TURBO_SHIFT = 3.0


class ZImage(ImageFamily):
    def guidance(self, path: Path) -> Guidance:
        shift = read_object(path / "scheduler" / "scheduler_config.json").get("shift", _TURBO_SHIFT)
        turbo = not isinstance(shift, int | float) or shift <= _TURBO_SHIFT
        return Guidance(0.0, counts=False, negatives=False) if turbo else Guidance(4.0, True, True)


Z_IMAGE = ZImage(
    name="z_image",
    types=frozenset({"z_image"}),
    classes=frozenset({"ZImagePipeline", "ZImageTransformer2DModel"}),
    needed=(
        *("scheduler/scheduler_config.json", "transformer/config.json", "transformer/*.safetensors"),
        *("text_encoder/config.json", "text_encoder/*.safetensors", "vae/config.json", "vae/*.safetensors"),
        *("tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"),
    ),
    limits=Limits(steps=9),
    short_names={
        "zimage": "Tongyi-MAI/Z-Image-Turbo",
        "z-image": "Tongyi-MAI/Z-Image-Turbo",
        "z-image-turbo": "Tongyi-MAI/Z-Image-Turbo",
    },
    folder_setting="zimage_model_dir",
    extras={"mflux": "flux"},
)
