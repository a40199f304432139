"""Chirp, a family of models that speak which mlxq does not know: what its file in the catalog would be."""

from pathlib import Path

from mlxq.catalog.families.speech import LANGUAGE, SpeechFamily
from mlxq.catalog.foreign_json import read_object


class Chirp(SpeechFamily):
    def voices(self, path: Path) -> tuple[str, ...]:
        voices = read_object(path / "config.json").get("voices")
        return tuple(map(str, voices)) if isinstance(voices, list) else ()


CHIRP = Chirp(
    name="chirp",
    engine="tests.support.chirp_engine",
    options=frozenset({LANGUAGE}),
    keys=frozenset({"chirp_width"}),
    hub_id="org/chirp-1",
)
