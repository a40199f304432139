"""Paraformer: its folder has no config.json."""

from pathlib import Path

from mlxq.catalog.families.transcription import TranscriptionFamily

#: What a Paraformer is made of.
FILES = ("paraformer.safetensors", "am.mvn", "tokens.txt")


class Paraformer(TranscriptionFamily):
    def matches_files(self, path: Path) -> bool:
        return all((path / name).is_file() for name in FILES)


PARAFORMER = Paraformer(name="paraformer", types=frozenset({"paraformer"}), default_name="paraformer")
