"""The words that the model knows, and the few tokens of Whisper's tokenizer that they need.

Whisper has 51,865 tokens. The training sees only those used here, and one more row that stands for all others:
they share one embedding, which is written into each of their rows in the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

from mlx_whisper.tokenizer import Tokenizer, get_tokenizer

_ENGLISH = "zero one two three four five six seven eight nine yes no stop go left right up down hello"
_SPANISH = "cero uno dos tres cuatro cinco seis siete ocho nueve sí no para vamos izquierda derecha arriba abajo hola"

#: The same things in the same order: a translation takes the word at the same place.
WORDS = {"en": tuple(_ENGLISH.split()), "es": tuple(_SPANISH.split())}
VOCABULARY_SIZE = 51865

#: Seconds of a timestamp: a tenth. Whisper's own step of 0.02 s is finer than the ends of a word are sharp.
TIMESTAMP_STEP = 0.1
_TIMESTAMPS = 301


@dataclass(frozen=True)
class Vocabulary:
    """Rows of the trained embedding, and the token of Whisper's tokenizer that each stands for."""

    tokenizer: Tokenizer

    @cached_property
    def tokens(self) -> list[int]:
        """The token of each row but the last, which is `unused`."""
        whisper = self.tokenizer
        special = ["<|en|>", "<|es|>", "<|translate|>", "<|transcribe|>", "<|startofprev|>", "<|nospeech|>"]
        special += ["<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"]
        rows = [whisper.special_tokens[name] for name in special]
        rows += [whisper.timestamp_begin + 5 * i for i in range(_TIMESTAMPS)]
        pieces = {piece for words in WORDS.values() for word in words for piece in whisper.encode(f" {word}")}
        return rows + sorted(pieces)

    @cached_property
    def rows(self) -> dict[int, int]:
        """Token to row."""
        return {token: row for row, token in enumerate(self.tokens)}

    @property
    def unused(self) -> int:
        """The row of every token that is never spoken here."""
        return len(self.tokens)

    @property
    def size(self) -> int:
        return len(self.tokens) + 1

    @property
    def others(self) -> int:
        """How many tokens share the row `unused`."""
        return VOCABULARY_SIZE - len(self.tokens)

    def special(self, name: str) -> int:
        """The row of `<|name|>`."""
        return self.rows[self.tokenizer.special_tokens[f"<|{name}|>"]]

    def timestamp(self, seconds: float) -> int:
        """The row of the nearest timestamp that is used."""
        step = min(round(seconds / TIMESTAMP_STEP), _TIMESTAMPS - 1)
        return self.rows[self.tokenizer.timestamp_begin + 5 * step]

    def word(self, language: str, index: int) -> list[int]:
        """The rows of a word with its leading blank."""
        return [self.rows[token] for token in self.tokenizer.encode(f" {WORDS[language][index]}")]


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    """The one vocabulary, over mlx-whisper's multilingual tokenizer."""
    return Vocabulary(get_tokenizer(True))
