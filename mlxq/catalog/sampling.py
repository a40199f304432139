"""How a language model samples where a request does not say it, by its generation_config.json."""

from pathlib import Path

from mlxq.catalog.foreign_json import read_object

#: Bytes of the largest file that is read.
_LONGEST = 1 << 20


def usual_sampling(folder: Path) -> tuple[float, float]:
    """Temperature and `top_p`. Without `do_sample` the likeliest token is taken."""
    defaults = read_object(folder / "generation_config.json", _LONGEST)
    if defaults.get("do_sample") is False:
        return 0.0, 1.0
    return _number(defaults.get("temperature")), _number(defaults.get("top_p"))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 1.0
