"""Parameters of an image that have no effect on it. They are named in a warning."""

from api.openai.images.schema import ImageRequest
from mlxq.catalog import ModelRef


def without_effect(ref: ModelRef, wanted: ImageRequest, images: int) -> list[str]:
    """Warnings. `images` is the number of input images."""
    warnings = []
    guidance = wanted.guidance if wanted.guidance is not None else wanted.guidance_scale
    known = ref.card.guidance if ref.card is not None else None
    if known is not None:
        if guidance and not known.counts:
            warnings.append(f"'guidance' has no effect: the model '{ref.id}' takes none")
        if wanted.negative_prompt and not known.reads_negatives(guidance):
            why = (
                f"its guidance is not above 1, {known.usual:g} without one"
                if known.negatives
                else f"the model '{ref.id}' takes none"
            )
            warnings.append(f"'negative_prompt' has no effect: {why}")
    if wanted.strength is not None and not images:
        warnings.append("'strength' has no effect without an input image")
    if wanted.told_quality != "medium" and (wanted.steps or wanted.num_inference_steps):
        warnings.append("'quality' has no effect beside a number of steps")
    if wanted.output_compression is not None and wanted.form == "png":
        warnings.append("'output_compression' has no effect on a PNG file")
    return warnings
