"""How many tokens a language model's config.json says that prompt and answer may have together."""

from collections.abc import Mapping

from config.values import JsonObject

#: Where a model that also sees or hears keeps the config of its text model.
_INNER = ("text_config", "llm_config", "language_config")
_LENGTHS = ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len", "n_ctx")
#: The default of the family's configuration class: the hub's config.json of these types names no length.
_DEFAULTS = {
    "gemma3": 131072,
    "gemma3_text": 131072,
    "gemma3n": 32768,
    "gemma3n_text": 32768,
    "gemma4": 131072,
    "gemma4_text": 131072,
}
#: Kinds of rope scaling under which `max_position_embeddings` is the length before scaling.
_MULTIPLYING = ("yarn", "linear", "dynamic", "ntk")
#: Families whose `max_position_embeddings` is the length after scaling, whatever its kind.
_SCALED = ("gemma3", "gemma4")


def context_length(config: JsonObject) -> int | None:
    """The length with rope scaling; None without one in config.json. A sliding window does not bound the context.

    YaRN, linear and dynamic scaling multiply `original_max_position_embeddings`, or without it
    `max_position_embeddings`, by their factor. Llama 3's scaling and LongRoPE multiply only where
    `max_position_embeddings` is still the original length: these families name the scaled one.
    """
    for part in text_configs(config):
        length = next((value for key in _LENGTHS if (value := _count(part.get(key)))), None)
        if length is not None:
            family = str(part.get("model_type") or config.get("model_type") or "")
            return length if family.startswith(_SCALED) else _scaled(length, part, config)
    known = (_DEFAULTS.get(str(part.get("model_type"))) for part in text_configs(config))
    return next((length for length in known if length is not None), None)


def text_configs(config: JsonObject) -> list[JsonObject]:
    """The parts of config.json that may describe the text model, the likeliest first."""
    inner = [part for key in _INNER if isinstance(part := config.get(key), Mapping)]
    return [*inner, config]


def _scaled(length: int, part: JsonObject, config: JsonObject) -> int:
    scaling = _scaling(part) or _scaling(config)
    factor = scaling.get("factor")
    kind = str(scaling.get("rope_type") or scaling.get("type") or "")
    if not isinstance(factor, int | float) or isinstance(factor, bool) or not 1 < factor < 1e6:
        return length
    original = next(
        (
            value
            for each in (scaling, part)
            if (value := _count(each.get("original_max_position_embeddings")))
        ),
        None,
    )
    if kind in _MULTIPLYING:
        return max(length, int((original or length) * factor))
    if kind in ("llama3", "longrope", "su") and original is not None and length <= original:
        return int(original * factor)
    return length


def _scaling(config: JsonObject) -> JsonObject:
    """The rope scaling. Newer files have one for each kind of layer; that of full attention counts."""
    for key in ("rope_scaling", "rope_parameters"):
        scaling = config.get(key)
        if isinstance(scaling, Mapping):
            full = scaling.get("full_attention")
            return full if isinstance(full, Mapping) else scaling
    return {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
