"""What every family of models that paint has in common: a wish, a canvas that a step brings nearer to a picture.

It knows latents, noise and masks; what is special about a family is its own file's business. Pictures are uint8
[height, width, 3]; latents have their family's layout until `unpack`.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol

import mlx.core as mx
import numpy as np
import numpy.typing as npt
from mlx.utils import tree_reduce
from PIL import Image

Pixels = npt.NDArray[np.uint8]
Stage = Callable[[mx.array], mx.array]

#: Latents of a preview's long side: 8 pixels each.
_PREVIEW = 32


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be painted. `strength` says how much of the source is painted over; None: it is only looked at.

    `sources` are RGB. `change` is true where the first of them may change; None: everywhere.
    """

    prompt: str
    width: int
    height: int
    steps: int
    guidance: float
    negative_prompt: str = ""
    sources: tuple[Image.Image, ...] = ()
    strength: float | None = None
    change: npt.NDArray[np.bool_] | None = None

    @property
    def source(self) -> Image.Image:
        """The picture to start from, in the size of the one to come."""
        size = (self.width, self.height)
        first = self.sources[0]
        return first if first.size == size else first.resize(size, Image.Resampling.LANCZOS)


@dataclass(frozen=True, slots=True)
class Words:
    """A prompt as the model reads it, and how many tokens it has."""

    meaning: Any
    tokens: int


@dataclass(slots=True, eq=False)
class Canvas:
    """A picture in the making. `sigmas` [steps + 1] fall from noise to 0; `index` is the next step's.

    `velocity` is the model: latents and an index to the way they should go; `advance` goes it. Where `frozen` is 1
    the source's latents come back after each step, with as much noise as belongs there.
    """

    latents: mx.array
    sigmas: mx.array
    index: int
    velocity: Callable[[mx.array, int], mx.array]
    advance: Callable[[mx.array, int, mx.array], mx.array]
    source: mx.array | None = None
    noise: mx.array | None = None
    frozen: mx.array | None = None
    foreseen: mx.array | None = None

    @property
    def left(self) -> int:
        """Steps to go."""
        return int(self.sigmas.shape[0]) - 1 - self.index

    def step(self) -> None:
        velocity = self.velocity(self.latents, self.index)
        sigma = self.sigmas[self.index].astype(self.latents.dtype)
        # What the end would be if the model went straight on from here.
        self.foreseen = self.latents - sigma * velocity.astype(self.latents.dtype)
        latents = self.advance(velocity, self.index, self.latents)
        self.index += 1
        if self.frozen is not None:
            assert self.source is not None
            assert self.noise is not None
            rest = self.sigmas[self.index].astype(latents.dtype)
            kept = (1 - rest) * self.source + rest * self.noise
            latents = mx.where(self.frozen, kept.astype(latents.dtype), latents)
        mx.eval(latents)
        self.latents = latents


class Painter(Protocol):
    """A loaded model."""

    #: what a request that says nothing gets
    steps: int
    guidance: float
    #: the highest guidance that the model was made for, None: any
    most_guidance: float | None
    #: whether another guidance changes a picture, and whether, above 1, what is not wanted does
    guided: bool
    negatives: bool
    #: whether it can look at pictures without starting from them
    sees: bool
    #: decoding counts as this many of the steps that were asked for
    decoding_steps: int
    memory_bytes: int

    def wear(self, loras: list[tuple[str, float]]) -> None:
        """Paint with these adapters and no others: paths and scales. Raises ValueError."""

    def read(self, wish: Wish) -> Words: ...

    def begin(self, wish: Wish, words: Words, seed: int) -> Canvas: ...

    def unpack(self, canvas: Canvas, latents: mx.array, wish: Wish) -> mx.array:
        """Latents of the canvas as its decoder takes them: [1, channels, height / 8, width / 8]."""

    def stages(self) -> list[Stage]:
        """Decoding, one after the other: from what `unpack` returns to [1, 3, height, width] from -1 to 1."""

    def pixels(self, decoded: mx.array) -> Pixels: ...


def picture(
    painter: Painter, canvas: Canvas, wish: Wish, *, foreseen: bool = False
) -> Generator[None, None, Pixels]:
    """What is on the canvas, in full size, or what it will be, as far as that can be said now.

    Where the source must not change it is the source. It can be left after each stage of decoding.
    """
    latents = canvas.foreseen if foreseen else canvas.latents
    assert latents is not None
    latents = painter.unpack(canvas, latents, wish)
    for stage in painter.stages():
        latents = stage(latents)
        mx.eval(latents)
        yield
    return _kept(painter.pixels(latents), wish)


def preview(painter: Painter, canvas: Canvas, wish: Wish) -> Pixels:
    """The same, at most 256 pixels wide and high: decoded from means of latents, so that it costs little."""
    assert canvas.foreseen is not None
    latents = painter.unpack(canvas, canvas.foreseen, wish)
    _, channels, height, width = latents.shape
    factor = -(-max(height, width) // _PREVIEW)
    # Of a very long picture one row of latents is left at least.
    down, across = min(factor, height), min(factor, width)
    height, width = height // down, width // across
    latents = latents[:, :, : height * down, : width * across]
    latents = latents.reshape(1, channels, height, down, width, across).mean(axis=(3, 5))
    for stage in painter.stages():
        latents = stage(latents)
    return painter.pixels(latents)


def first_step(steps: int, strength: float) -> int:
    """Where `strength` begins: `steps` are those of a whole picture, and one at least is made."""
    return min(steps - 1, int(steps * (1 - strength)))


def blocks(change: npt.NDArray[np.bool_], size: int) -> npt.NDArray[np.bool_]:
    """Which blocks of `size` x `size` pixels have one that changes: [height / size, width / size]."""
    height, width = change.shape
    grid = change.reshape(height // size, size, width // size, size)
    return np.asarray(grid.any(axis=(1, 3)))


def to_pixels(decoded: mx.array) -> Pixels:
    """A decoder's [1, 3, height, width] from -1 to 1 as a picture, rounded as mflux rounds."""
    shown = np.array(mx.clip(decoded / 2 + 0.5, 0, 1).transpose(0, 2, 3, 1).astype(mx.float32))
    pixels: Pixels = (shown * 255).round().astype(np.uint8)[0]
    return pixels


def memory_of(*parts: Any) -> int:
    """Bytes of the weights of these modules, which are in memory then."""
    mx.eval([part.parameters() for part in parts])
    return sum(int(tree_reduce(lambda n, a: n + a.nbytes, part.parameters(), 0)) for part in parts)


def _kept(pixels: Pixels, wish: Wish) -> Pixels:
    if wish.change is None:
        return pixels
    kept: Pixels = np.where(wish.change[..., None], pixels, np.asarray(wish.source))
    return kept
