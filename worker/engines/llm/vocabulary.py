"""The tokens of a model as bytes, for log-probabilities and grammars."""

from functools import cached_property
from typing import Any

from llguidance import LLTokenizer
from llguidance.hf import from_tokenizer


class Vocabulary:
    """`size` is the width of the model's logits, which may be larger than what the tokenizer knows."""

    def __init__(self, tokenizer: Any, size: int) -> None:
        self.size = size
        self._tokenizer = tokenizer

    @cached_property
    def grammars(self) -> LLTokenizer:
        """llguidance's view of the tokenizer. It takes a second for 150,000 tokens: made when it is needed."""
        fast = getattr(self._tokenizer, "_tokenizer", self._tokenizer)
        return from_tokenizer(fast, n_vocab=self.size)

    def bytes_of(self, token: int) -> bytes:
        return self.grammars.decode_bytes([token])
