"""A vision model of mlx-vlm for mlx-lm's BatchGenerator: prompts with images are read here, tokens generated there.

This module knows arrays. It does not know requests. It belongs to the thread of its model.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx_vlm.generate.common import _chunked_prefill_enabled
from mlx_vlm.models.cache import make_prompt_cache


class RopeShift:
    """The offset of each row's positions from its token indices: an image takes fewer positions than tokens.

    It has the interface of a cache layer, so that it stays with its row in the batch. `rows` is [rows, 1].
    """

    #: It need not be stored with a prompt: see `trim`.
    stored = False

    def __init__(self, rows: mx.array | None = None) -> None:
        self.rows = mx.zeros((1, 1), dtype=mx.int32) if rows is None else rows

    @staticmethod
    def merge(shifts: "list[RopeShift]") -> "RopeShift":
        return RopeShift(mx.concatenate([shift.rows for shift in shifts]))

    def filter(self, keep: Any) -> None:
        self.rows = self.rows[mx.array(keep, dtype=mx.int32)]

    def extend(self, other: "RopeShift") -> None:
        self.rows = mx.concatenate([self.rows, other.rows])

    def extract(self, row: int) -> "RopeShift":
        return RopeShift(self.rows[row : row + 1])

    def prepare(self, **_: Any) -> None:
        """Padding does not change it."""

    def finalize(self) -> None:
        """See `prepare`."""

    def is_trimmable(self) -> bool:
        return True

    def trim(self, tokens: int) -> int:
        """The rest lies before the first image, or its reader sets the shift itself."""
        self.rows = mx.zeros_like(self.rows)
        return tokens

    def size(self) -> int:
        return 0

    @property
    def state(self) -> mx.array:
        return self.rows

    @property
    def nbytes(self) -> int:
        return self.rows.nbytes


class Decoder:
    """The language model inside a vision model, with mlx-lm's calling convention: tokens in, logits out."""

    def __init__(self, model: Any) -> None:
        self._language = model.language_model
        self._shifts = hasattr(self._language, "_rope_deltas")

    @property
    def layers(self) -> Any:
        return self._language.layers

    def make_cache(self) -> list[Any]:
        return self.with_shift(make_prompt_cache(self._language), None)

    def with_shift(self, layers: list[Any], shift: mx.array | None) -> list[Any]:
        """The cache of one row with a shift of its positions, by default 0."""
        if not self._shifts:
            return layers
        rows = None if shift is None else shift.reshape(-1)[:1].reshape(1, 1).astype(mx.int32)
        return [*layers, RopeShift(rows)]

    @staticmethod
    def without_shift(cache: list[Any]) -> list[Any]:
        """The layers without the RopeShift."""
        return [layer for layer in cache if not isinstance(layer, RopeShift)]

    def __call__(self, tokens: mx.array, cache: list[Any]) -> mx.array:
        logits: mx.array
        if not self._shifts:
            logits = self._language(tokens, cache=cache).logits
            return logits
        *layers, shift = cache
        if tokens.shape[1] > 1:
            # mlx-vlm keeps the positions of an earlier prompt.
            self._language._position_ids = None
        logits = self._language(tokens, cache=layers, rope_deltas=shift.rows).logits
        return logits


@dataclass(frozen=True, slots=True)
class VisionInputs:
    """The arrays of a model's processor for one prompt [1, tokens]. `others`: those that only some models have."""

    tokens: mx.array
    pixels: Any
    mask: Any
    others: Mapping[str, object]

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> "VisionInputs":
        """Of a processor's output, without values that are None."""
        others = {name: value for name, value in arrays.items() if value is not None}
        return cls(
            others.pop("input_ids"),
            others.pop("pixel_values", None),
            others.pop("attention_mask", None),
            others,
        )


class ImageReading:
    """A prompt with images on its way into a cache; see `reading.Reading`.

    `tokens` is the prompt, `inputs` what the model's processor made of it. `layers`, without a shift, hold the first
    `done` tokens.
    """

    def __init__(
        self, model: Any, tokens: list[int], inputs: VisionInputs, done: int = 0, layers: Any = None
    ) -> None:
        self.tokens = tokens
        self.done = done
        self._model = model
        self._language = model.language_model
        self._inputs = inputs
        #: what the language model takes for the whole prompt
        self._options = dict(inputs.others)
        # Reading writes into the arrays of a cache, which may belong to the prompt cache.
        self._layers = make_prompt_cache(self._language) if layers is None else deepcopy(layers)
        self._embeddings: Any = None

    @property
    def cache(self) -> list[Any]:
        """For the model's Decoder. A shift is only known when all is read; what is cut short is trimmed before it."""
        shift: Any = None
        if self.done == len(self.tokens) - 1:
            shift = self._options.get("rope_deltas")
            if shift is None:
                shift = getattr(self._language, "_rope_deltas", None)
        return Decoder(self._model).with_shift(self._layers, shift)

    def read(self, most: int) -> list[Any]:
        """Encode the images, then read a piece of the prompt. A few models have to read all of it at once."""
        if self._embeddings is None:
            self._embed()
            if not self._keeps_positions:
                return [self._embeddings]
        last = len(self.tokens) - 1
        self._read(min(self.done + most, last), last)
        while self._keeps_positions and self.done < last:
            mx.eval([layer.state for layer in self._layers])
            self._read(min(self.done + most, last), last)
        return [layer.state for layer in self._layers]

    def _embed(self) -> None:
        encoded = self._model.get_input_embeddings(
            self._inputs.tokens, self._inputs.pixels, mask=self._inputs.mask, **self._options
        ).to_dict()
        self._embeddings = encoded.pop("inputs_embeds")
        self._options.update({name: value for name, value in encoded.items() if value is not None})
        # Some models keep a prompt's positions themselves: nothing else may be computed in between.
        self._keeps_positions = (
            hasattr(self._language, "_rope_deltas") and "position_ids" not in self._options
        )
        # A prompt with bidirectional attention has to be read at once.
        self._in_pieces = _chunked_prefill_enabled(
            self._model,
            input_ids=self._inputs.tokens,
            inputs_embeds=self._embeddings,
            prompt_cache=self._layers,
            prefill_kwargs=self._options,
        )

    def _read(self, stop: int, last: int) -> None:
        whole = not self._in_pieces and all(layer.is_trimmable() for layer in self._layers)
        end = last + 1 if whole else stop if self._in_pieces else last
        # These belong to the whole prompt: the model takes its part by the cache's offset.
        self._language(
            self._inputs.tokens[:, self.done : end],
            inputs_embeds=self._embeddings[:, self.done : end],
            cache=self._layers,
            n_to_process=end - self.done,
            logits_to_keep=1,
            **self._options,
        )
        if whole:
            # The last token is read again, by the batch: its logits are the answer's first step.
            for layer in self._layers:
                layer.trim(1)
        self.done = min(end, last)
