"""Chirp, a family of models that speak which mlxq does not know: what its file among the engines would be.

A letter is a tone of 50 ms, whose form a small network makes of the letter and the voice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from config.settings import Settings
from mlxq.catalog.foreign_json import read_object
from worker.engines.tts.mlx_audio import SpeechModel

SAMPLES = 1200


@dataclass(frozen=True, slots=True)
class Chunk:
    audio: mx.array
    token_count: int


class Network(nn.Module):
    sample_rate = 24_000

    def __init__(self, width: int, voices: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names = voices
        self.letters = nn.Embedding(256, width)
        self.speakers = nn.Embedding(len(voices), width)
        self.wave = nn.Linear(width, SAMPLES)

    def generate(self, text: str, voice: str, lang_code: str = "en") -> Iterator[Chunk]:
        for letter in text.encode():
            hidden = self.letters(mx.array(letter)) + self.speakers(mx.array(self.names.index(voice)))
            yield Chunk(mx.tanh(self.wave(hidden)), 1)


class Chirp(SpeechModel):
    @classmethod
    def import_library(cls, kind: str) -> None:
        """There is none."""

    @classmethod
    def load(cls, path: Path, kind: str, settings: Settings) -> Network:
        config: Any = read_object(path / "config.json")
        network = Network(config["chirp_width"], config["voices"])
        network.load_weights(str(path / "model.safetensors"))
        return network

    def voice(self, name: str | None) -> str | None:
        return super().voice(name or self.voices[0])


MODEL = Chirp
