"""The tokens of a model as bytes, for log-probabilities and grammars."""

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from worker.engines.importing import importing

# It is loaded where the first request asks for a grammar or for log-probabilities.
if TYPE_CHECKING:
    from llguidance import LLTokenizer


class Vocabulary:
    """`size`: the width of the model's logits, which may exceed the tokenizer's vocabulary."""

    def __init__(self, tokenizer: Any, size: int) -> None:
        self.size = size
        self._tokenizer = tokenizer

    @cached_property
    def grammars(self) -> "LLTokenizer":
        """The tokenizer for llguidance. It takes a second for 150,000 tokens, and is made when it is needed.

        Text that a grammar requires is spelled in ordinary tokens, even if it is the name of a special token.
        """
        from llguidance import LLTokenizer, TokenizerWrapper

        return LLTokenizer(TokenizerWrapper(self._speller), eos_token=list(self.ends) or None)

    @property
    def is_read(self) -> bool:
        """Whether `grammars` has been made."""
        return "grammars" in vars(self)

    @property
    def ends(self) -> tuple[int, ...]:
        """The tokens that end an answer."""
        return tuple(token for token in sorted(self._tokenizer.eos_token_ids) if token < self.size)

    @property
    def tokens(self) -> list[bytes]:
        """The bytes of every token; a special token's are its name."""
        return self._speller.tokens

    def bytes_of(self, token: int) -> bytes:
        return self.tokens[token]

    @cached_property
    def _speller(self) -> "_Speller":
        with importing():
            from llguidance.hf import from_tokenizer
        fast = getattr(self._tokenizer, "_tokenizer", self._tokenizer)
        return _Speller(from_tokenizer(fast, n_vocab=self.size, slices=[]))


class _Speller:
    """A tokenizer in the shape that llguidance's TokenizerWrapper reads, without special tokens.

    A tokenizer finds the names of its special tokens in any text. Here such a name is cut into two parts, which
    are tokenised separately.
    """

    bos_token_id: int | None = None

    def __init__(self, view: "LLTokenizer") -> None:
        self._view = view
        self.eos_token_id = view.eos_token
        self.tokens = [view.decode_bytes([token]) for token in range(view.vocab_size)]
        self.special_token_ids = [token for token in range(view.vocab_size) if view.is_special_token(token)]
        names = {self.tokens[token].decode(errors="ignore") for token in self.special_token_ids} - {""}
        self._names = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))) or r"(?!)")

    def __call__(self, text: str) -> list[int]:
        spelled: list[int] = []
        start = 0
        while (found := self._names.search(text, start)) is not None:
            cut = found.start() + 1
            part = text[start:cut]
            # A name of a single letter cannot be cut.
            whole = self._names.search(part) is not None
            spelled += self._view.greedy_tokenize(part) if whole else self._view.tokenize_str(part)
            start = cut
        return spelled + self._view.tokenize_str(text[start:])
