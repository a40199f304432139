"""Whether a language model reads images: by its config.json, or by its name while it is not on this machine."""

import re

from config.values import JsonObject

#: What names of vision models have in them; `vl` only as a word of its own.
KEYWORDS = ("vision", "vlm", "multimodal", "llava", "idefics", "pixtral", "gemma-3", "vl")
#: Keys that only config.json of a vision model has. One that is not empty is enough.
_FIELDS = (
    "vision_config",
    "vision_tower",
    "mm_vision_tower",
    "vision_encoder",
    "img_processor",
    "visual",
    "image_token_id",
    "image_token_index",
)
#: Types of vision models without any of these keys.
_TYPES = frozenset({"molmo", "moondream", "moondream1", "moondream2", "moondream3", "phi3_v", "phi4mm"})

_NAME = re.compile("|".join(rf"(?<![a-z]){word}(?![a-z])" if word == "vl" else word for word in KEYWORDS))


def sees(name: str, config: JsonObject | None) -> bool:
    """By config.json; without one (None) by the name `org/name`."""
    if config is None:
        return _NAME.search(name.rpartition("/")[2].lower().replace("_", "-")) is not None
    if str(config.get("model_type", "")).lower() in _TYPES:
        return True
    return any(config.get(field) not in (None, {}, [], "") for field in _FIELDS)
