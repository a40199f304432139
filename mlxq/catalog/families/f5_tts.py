"""F5-TTS: its folder has no config.json, and its vocoder is a model of its own."""

from collections.abc import Collection
from pathlib import Path

from mlxq.catalog.families.speech import REFERENCE_TEXT, Recordings, SpeechFamily

VOCABULARY, DURATION = "vocab.txt", "duration_v2.safetensors"
#: The vocoder's name on the hub, and what it is made of.
VOCODER = "lucasnewman/vocos-mel-24khz"
VOCODER_FILES = ("config.yaml", "model.safetensors")
#: Weights of the versions 1 and 0, the best first: a repository has all of them.
V1 = ("model_v1.safetensors", "model_v1_8b.safetensors", "model_v1_4b.safetensors")
V0 = ("model.safetensors", "model_8b.safetensors", "model_4b.safetensors")


class F5TTS(SpeechFamily):
    def matches_files(self, path: Path) -> bool:
        return (path / VOCABULARY).is_file() and weights_of(path) is not None

    def unneeded_files(self, names: Collection[str]) -> frozenset[str]:
        """A repository has all versions in all sizes; one of them is enough."""
        best = best_weights(names)
        return frozenset({*V1, *V0} - {best}) if best is not None else frozenset()


F5_TTS = F5TTS(
    name="f5_tts",
    options=frozenset({REFERENCE_TEXT}),
    # Together with the audio of a piece of text it must fit into the model's length.
    recordings=Recordings(longest=30),
    extras={"f5_tts_mlx": "f5-tts", "vocos_mlx": "f5-tts"},
)


def best_weights(files: Collection[str]) -> str | None:
    """Which of the files of an F5-TTS are its best weights; None: they are not those of one.

    Many other models have a vocab.txt beside a model.safetensors.
    """
    if VOCABULARY not in files:
        return None
    known = any(name.startswith("duration") and name.endswith(".safetensors") for name in files)
    return next((name for name in ((*V1, *V0) if known else V1) if name in files), None)


def weights_of(path: Path) -> Path | None:
    """The best weights in an F5-TTS's folder; None: it is not one."""
    best = best_weights({file.name for file in path.iterdir()}) if path.is_dir() else None
    return path / best if best is not None else None


def vocoder_of(path: Path, roots: tuple[Path, ...], cache: Path) -> Path | None:
    """Where the vocoder lies: in or beside the model's folder, below a root, or in the hub's cache."""
    name = VOCODER.rpartition("/")[2]
    places = [path / name, path.parent / name]
    for root in roots:
        places += [root / VOCODER, root / name, *_snapshots(root)]
    places += _snapshots(cache)
    return next((place for place in places if all((place / file).is_file() for file in VOCODER_FILES)), None)


def _snapshots(cache: Path) -> list[Path]:
    """What the main branch of the vocoder's repository in a hub's cache points to."""
    repository = cache / f"models--{VOCODER.replace('/', '--')}"
    try:
        return [repository / "snapshots" / (repository / "refs" / "main").read_text().strip()]
    except OSError:
        return []
