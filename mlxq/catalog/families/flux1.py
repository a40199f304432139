"""FLUX.1 [schnell] and [dev]."""

from pathlib import Path

from jobs.models.card import Guidance, Limits
from mlxq.catalog.families.image import ImageFamily
from mlxq.catalog.foreign_json import read_object

_SCHNELL = "black-forest-labs/FLUX.1-schnell"


class Flux1(ImageFamily):
    def guidance(self, path: Path) -> Guidance:
        dev = bool(read_object(path / "transformer" / "config.json").get("guidance_embeds"))
        return Guidance(3.5 if dev else 0.0, counts=dev, negatives=False)


FLUX1 = Flux1(
    name="flux1",
    types=frozenset({"flux1"}),
    classes=frozenset({"FluxPipeline", "FluxTransformer2DModel"}),
    needed=(
        *("transformer/config.json", "transformer/*.safetensors", "text_encoder/*.safetensors"),
        *(
            "text_encoder_2/*.safetensors",
            "vae/*.safetensors",
            "tokenizer/vocab.json",
            "tokenizer/merges.txt",
        ),
        *("tokenizer_2/tokenizer.json", "tokenizer_2/tokenizer_config.json"),
    ),
    limits=Limits(),
    short_names={
        "flux.1-schnell": _SCHNELL,
        # The same weights in DiffusionKit's layout; clients know the name.
        "argmaxinc/mlx-flux.1-schnell": _SCHNELL,
    },
    extras={"mflux": "flux"},
)
