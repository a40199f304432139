"""From inputs of an embedding request to token ids, within the limits of the model.

This module knows tokenizers and configs. It does not know models or batches.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jobs.errors import ContextLengthExceeded, InvalidRequest

#: Characters per token beyond which a text is first judged by its beginning.
LONG = 16
#: The value of tokenizers without a bound.
_UNBOUNDED = 10**9
#: `model_type`s whose positions begin after the padding token's.
_PADDED_POSITIONS = ("roberta", "xlm_roberta")


class Reader:
    """A model's tokenizer with its bounds. `longest`: tokens of an input, None when nothing bounds it."""

    def __init__(self, tokenizer: Any, config: Mapping[str, Any]) -> None:
        self._tokenizer = tokenizer
        self.longest = longest(tokenizer, config)
        self.padding = int(tokenizer.pad_token_id or 0)
        self._vocabulary = int(config.get("vocab_size") or len(tokenizer.get_vocab()))
        self._before, self._after = self._frame()

    def read(
        self, inputs: Sequence[str | list[int]], first: int, *, truncate: bool = False
    ) -> list[list[int]]:
        """The token ids of inputs, of which the first is number `first` of its request. Raises InvalidRequest.

        With `truncate` the end of a text that is too long is left out.
        """
        if truncate and self.longest is not None:
            inputs = [each[: LONG * self.longest] if isinstance(each, str) else each for each in inputs]
        texts = [each for each in inputs if isinstance(each, str)]
        for number, each in enumerate(inputs, start=first):
            if isinstance(each, str):
                self._check_beginning(each, number)
        encoded = iter(self._encode(texts) if texts else [])
        read = []
        for number, each in enumerate(inputs, start=first):
            if isinstance(each, str):
                ids = next(encoded)
            else:
                ids = each
                self._check_ids(ids, number)
            if not ids:
                raise InvalidRequest(f"Invalid 'input[{number}]': it has no tokens.", param="input")
            if self.longest is not None and len(ids) > self.longest:
                if not truncate:
                    raise self._too_long(number, len(ids))
                ids = ids[: self.longest - len(self._after)] + self._after
            read.append(ids)
        return read

    def _encode(self, texts: list[str]) -> list[list[int]]:
        encoded = self._tokenizer(
            texts, padding=False, truncation=False, return_attention_mask=False, verbose=False
        )
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def _check_beginning(self, text: str, number: int) -> None:
        """Refuse a text of megabytes by its beginning."""
        if self.longest is None or len(text) <= (enough := LONG * self.longest):
            return
        if len(self._encode([text[:enough]])[0]) > self.longest + len(self._before) + len(self._after):
            raise self._too_long(number)

    def _check_ids(self, ids: list[int], number: int) -> None:
        """Refuse ids of another tokenizer, as far as they can be recognised: their vector would be meaningless."""
        wrong = next((token for token in ids if not 0 <= token < self._vocabulary), None)
        if wrong is not None:
            problem = f"{wrong} is not one of its {self._vocabulary} ids"
        elif not self._framed(ids):
            begin = f"begin with {self._before}" if self._before else ""
            end = f"end with {self._after}" if self._after else ""
            problem = f"its texts {' and '.join(filter(None, (begin, end)))}"
        else:
            return
        raise InvalidRequest(
            f"Invalid 'input[{number}]': these tokens are not of this model's tokenizer: {problem}. "
            "Send text instead.",
            param="input",
        )

    def _framed(self, ids: list[int]) -> bool:
        before, after = self._before, self._after
        return (
            len(ids) >= len(before) + len(after)
            and ids[: len(before)] == before
            and ids[len(ids) - len(after) :] == after
        )

    def _frame(self) -> tuple[list[int], list[int]]:
        """The special tokens that the tokenizer puts before and after every text."""
        empty, letter = self._encode(["", "a"])
        shared = 0
        while shared < min(len(empty), len(letter)) and empty[shared] == letter[shared]:
            shared += 1
        return empty[:shared], empty[shared:]

    def _too_long(self, number: int, tokens: int | None = None) -> ContextLengthExceeded:
        has = f"; it has {tokens}" if tokens is not None else ""
        return ContextLengthExceeded(
            f"Invalid 'input[{number}]': maximum input length is {self.longest} tokens{has}. Shorten or split it.",
            param="input",
        )


def longest(tokenizer: Any, config: Mapping[str, Any]) -> int | None:
    """The tokens that a text may have, None when nothing bounds it."""
    bounds = []
    positions = config.get("max_position_embeddings")
    if isinstance(positions, int) and positions > 0:
        if str(config.get("model_type", "")).replace("-", "_") in _PADDED_POSITIONS:
            positions -= int(config.get("pad_token_id") or 0) + 1
        bounds.append(positions)
    said = tokenizer.model_max_length
    if isinstance(said, int | float) and 0 < said < _UNBOUNDED:
        bounds.append(int(said))
    return min(bounds, default=None)
