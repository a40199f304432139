"""What a card tells of a model's weights: their format and about how many they are. It knows no dialect."""

from jobs.models.card import ModelCard

_TYPES = {"float16": "F16", "bfloat16": "BF16", "float32": "F32"}
_UNITS = ((10**9, "B"), (10**6, "M"), (10**3, "K"))


def bits(card: ModelCard | None) -> int:
    """Bits of a quantised weight; 0 for a model that is not quantised."""
    said = card.metadata.get("quantization") if card else None
    number = said.get("bits") if isinstance(said, dict) else None
    return number if isinstance(number, int) and 0 < number <= 16 else 0


def quantization(card: ModelCard | None) -> str:
    """Such as `4bit` or `BF16`; `unknown` where nothing is told."""
    if number := bits(card):
        return f"{number}bit"
    return _TYPES.get(str(card.metadata.get("torch_dtype")) if card else "", "unknown")


def parameters(card: ModelCard | None) -> int | None:
    """About how many there are: by the bytes of the weights."""
    size = card.weight_bytes if card else None
    if size is None:
        return None
    if number := bits(card):
        # Each group of weights has a scale and a bias.
        return round(size * 8 / (number + 0.5))
    return size // (4 if quantization(card) == "F32" else 2)


def short(number: int) -> str:
    """A number as in the names of models, such as `7.6B`."""
    for size, unit in _UNITS:
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)
