"""GPT-SoVITS: a folder of four networks and a tokenizer, as `mlxq convert` or OminiX makes it."""

import os
from importlib.util import find_spec
from pathlib import Path

from mlxq.catalog.families.kokoro import english_model
from mlxq.catalog.families.speech import LANGUAGE, REFERENCE_TEXT, Recordings, SpeechFamily

#: The networks' files: text to semantic, SoVITS, HuBERT and BERT. OminiX' first two have longer names.
FILES = ("gpt.safetensors", "sovits.safetensors", "hubert.safetensors", "bert.safetensors")
#: Where BERT's tokens are. OminiX' tokenizer has a folder of its own.
TOKENIZERS = ("tokenizer.json", "vocab.txt")
_TOKENIZER_FOLDER = "chinese-roberta-tokenizer"
#: The dictionary of English pronunciations, which a folder may have.
DICTIONARY = "cmudict.dict"
#: What the extra `gpt-sovits` brings, by the names of modules.
_LIBRARIES = ("misaki", "spacy", "num2words", "pypinyin", "jieba")

LACKING = (
    "GPT-SoVITS needs libraries for its phonemes, such as 'misaki', which are an extra of this server: "
    "`pip install 'mlxq[gpt-sovits]'` brings them. Qwen3-TTS clones voices without them."
)


class GptSoVITS(SpeechFamily):
    def matches_files(self, path: Path) -> bool:
        return networks_of(path) is not None

    def missing_files(self, path: Path) -> list[str]:
        missing = [] if networks_of(path) is not None else list(FILES)
        return missing if tokenizer_of(path) is not None else [*missing, TOKENIZERS[0]]

    def lacking(self) -> str | None:
        # Where MLX is not, as in a container of the API, the worker's environment is another one.
        return None if find_spec("mlx") is None or can_speak() else LACKING


GPT_SOVITS = GptSoVITS(
    name="gpt_sovits",
    word="gpt-sovits",
    options=frozenset({REFERENCE_TEXT, LANGUAGE}),
    own_speed=True,
    recordings=Recordings(shortest=3, longest=10, channels=1),
    own_names=frozenset({"gpt-sovits", "gpt_sovits"}),
    absent=(
        "No GPT-SoVITS is installed: `mlxq convert gpt-sovits` makes one of the original's files. Qwen3-TTS clones "
        "voices too, as mlx-community/Qwen3-TTS-12Hz-0.6B-Base-bf16; so does IndexTTS."
    ),
)


def networks_of(path: Path) -> tuple[Path, Path, Path, Path] | None:
    """The files of the four networks in a folder; None: it is no GPT-SoVITS."""
    try:
        names = sorted(entry.name for entry in os.scandir(path) if entry.name.endswith(".safetensors"))
    except OSError:
        return None
    sovits = next((name for name in names if "sovits" in name), None)
    gpt = next((name for name in names if "gpt" in name and name != sovits), None)
    if sovits is None or gpt is None or not {*FILES[2:]} <= {*names}:
        return None
    return path / gpt, path / sovits, path / FILES[2], path / FILES[3]


def tokenizer_of(path: Path) -> Path | None:
    """The file with BERT's tokens."""
    places = [folder / name for folder in (path, path / _TOKENIZER_FOLDER) for name in TOKENIZERS]
    return next((place for place in places if place.is_file()), None)


def dictionary_of(path: Path) -> Path | None:
    """The file with the pronunciations of English words."""
    return path / DICTIONARY if (path / DICTIONARY).is_file() else None


def can_speak() -> bool:
    """Whether the libraries are there, in this environment."""
    return all(map(find_spec, _LIBRARIES)) and english_model() is not None
