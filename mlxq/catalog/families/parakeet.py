"""NVIDIA's Parakeet: its config.json is NeMo's."""

from mlxq.catalog.families.family import Candidate
from mlxq.catalog.families.transcription import TranscriptionFamily

_TARGET = "nemo.collections.asr.models."


class Parakeet(TranscriptionFamily):
    def matches_config(self, candidate: Candidate) -> bool:
        target = str(candidate.config.get("target", ""))
        return super().matches_config(candidate) or target.startswith(_TARGET)


PARAKEET = Parakeet(name="parakeet", types=frozenset({"parakeet", "parakeet_tdt"}), default_name="parakeet")
