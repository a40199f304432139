"""FLUX.2 [klein], distilled or not."""

from pathlib import Path

from jobs.models.card import Guidance, Limits
from mlxq.catalog.families.image import ImageFamily
from mlxq.catalog.foreign_json import read_object

_KLEIN = "black-forest-labs/FLUX.2-klein-4B"


class Flux2(ImageFamily):
    def guidance(self, path: Path) -> Guidance:
        distilled = bool(read_object(path / "model_index.json").get("is_distilled", True))
        return Guidance(1.0 if distilled else 4.0, counts=True, negatives=True)


FLUX2 = Flux2(
    name="flux2",
    types=frozenset({"flux2"}),
    classes=frozenset({"Flux2Pipeline", "Flux2KleinPipeline", "Flux2Transformer2DModel"}),
    needed=(
        *("transformer/config.json", "transformer/*.safetensors", "text_encoder/config.json"),
        *("text_encoder/*.safetensors", "vae/*.safetensors"),
        *("tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"),
    ),
    limits=Limits(references=4),
    short_names={"flux": _KLEIN, "flux.2-klein": _KLEIN},
    folder_setting="flux_model_dir",
    extras={"mflux": "flux"},
)
