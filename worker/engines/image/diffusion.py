"""What all diffusion models share: parameters, the state of a denoising loop, decoding and previews.

This module knows latents, noise and masks. It does not know families, which have files of their own. Images are uint8
[height, width, 3]; latents have the layout of their family until `unpack`.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol

import mlx.core as mx
import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
Stage = Callable[[mx.array], mx.array]

#: Latents of a preview's long side: 8 pixels each.
_PREVIEW = 32


@dataclass(frozen=True, slots=True)
class ImageParams:
    """A validated image request. `strength`: how much of the source is replaced; None: it is only a reference.

    `sources` are RGB. `editable` is true where the first of them may change; None: everywhere.
    """

    prompt: str
    width: int
    height: int
    steps: int
    guidance: float
    negative_prompt: str = ""
    sources: tuple[Image.Image, ...] = ()
    strength: float | None = None
    editable: npt.NDArray[np.bool_] | None = None

    @property
    def source(self) -> Image.Image:
        """The image to start from, in the size of the result."""
        size = (self.width, self.height)
        first = self.sources[0]
        return first if first.size == size else first.resize(size, Image.Resampling.LANCZOS)


@dataclass(frozen=True, slots=True)
class Conditioning:
    """An encoded prompt and the number of its tokens. Each family has its own type of `embeddings`."""

    embeddings: Any
    tokens: int


@dataclass(slots=True, eq=False)
class DenoiseState:
    """The state of one image's denoising loop. `sigmas` [steps + 1] fall from 1 to 0; `index` is the next step's.

    `velocity` runs the model on latents and an index; `advance` applies its result. Where `frozen` is 1 the source's
    latents are restored after each step, with the noise of that step. `predicted` is the model's current estimate of
    the final latents. `shown`: tokens of the images that are only references, which have sizes of their own.
    """

    latents: mx.array
    sigmas: mx.array
    index: int
    velocity: Callable[[mx.array, int], mx.array]
    advance: Callable[[mx.array, int, mx.array], mx.array]
    source: mx.array | None = None
    noise: mx.array | None = None
    frozen: mx.array | None = None
    predicted: mx.array | None = None
    shown: int = 0

    @property
    def remaining(self) -> int:
        """Number of remaining steps."""
        return int(self.sigmas.shape[0]) - 1 - self.index

    def step(self) -> None:
        velocity = self.velocity(self.latents, self.index)
        sigma = self.sigmas[self.index].astype(self.latents.dtype)
        # The final latents if the velocity stayed the same from here on.
        self.predicted = self.latents - sigma * velocity.astype(self.latents.dtype)
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


class DiffusionModel(Protocol):
    """A loaded model."""

    #: defaults of a request
    steps: int
    guidance: float
    #: the highest guidance the model was trained for, None: any
    max_guidance: float | None
    #: whether guidance has an effect, and whether a negative prompt has one where guidance is above 1
    takes_guidance: bool
    takes_negative_prompt: bool
    #: whether it reads images as references, without starting from them
    takes_references: bool
    #: decoding counts as this many of the requested steps
    decoding_steps: int
    memory_bytes: int

    def apply_loras(self, loras: list[tuple[str, float]]) -> None:
        """Use these adapters, paths and scales, and no others. Raises ValueError."""

    def encode_prompt(self, params: ImageParams) -> Conditioning: ...

    def start(self, params: ImageParams, conditioning: Conditioning, seed: int) -> DenoiseState: ...

    def unpack(self, state: DenoiseState, latents: mx.array, params: ImageParams) -> mx.array:
        """Latents in the decoder's layout: [1, channels, height / 8, width / 8]."""

    def stages(self) -> list[Stage]:
        """The stages of decoding, in their order: from the result of `unpack` to [1, 3, height, width] in [-1, 1]."""

    def pixels(self, decoded: mx.array) -> Pixels: ...


def decode(
    model: DiffusionModel, state: DenoiseState, params: ImageParams, *, predicted: bool = False
) -> Generator[None, None, Pixels]:
    """Decode the latents, or with `predicted` the model's current estimate of the final ones, in full size.

    Pixels that are not editable are the source's. It yields after each stage of decoding.
    """
    latents = state.predicted if predicted else state.latents
    assert latents is not None
    latents = model.unpack(state, latents, params)
    for stage in model.stages():
        latents = stage(latents)
        mx.eval(latents)
        yield
    return _kept(model.pixels(latents), params)


def decode_preview(model: DiffusionModel, state: DenoiseState, params: ImageParams) -> Pixels:
    """Decode the current estimate, at most 256 pixels wide and high, cheaply: from means of latents."""
    assert state.predicted is not None
    latents = model.unpack(state, state.predicted, params)
    _, channels, height, width = latents.shape
    factor = -(-max(height, width) // _PREVIEW)
    # A very long image keeps at least one row of latents.
    down, across = min(factor, height), min(factor, width)
    height, width = height // down, width // across
    latents = latents[:, :, : height * down, : width * across]
    latents = latents.reshape(1, channels, height, down, width, across).mean(axis=(3, 5))
    for stage in model.stages():
        latents = stage(latents)
    return model.pixels(latents)


def first_step(steps: int, strength: float) -> int:
    """The index of the first step for this `strength`, of `steps` for a whole image; at least one step remains."""
    return min(steps - 1, int(steps * (1 - strength)))


def editable_blocks(editable: npt.NDArray[np.bool_], size: int) -> npt.NDArray[np.bool_]:
    """Which blocks of `size` x `size` pixels have an editable one: [height / size, width / size]."""
    height, width = editable.shape
    grid = editable.reshape(height // size, size, width // size, size)
    return np.asarray(grid.any(axis=(1, 3)))


def to_pixels(decoded: mx.array) -> Pixels:
    """A decoder's [1, 3, height, width] in [-1, 1] as pixels, rounded as mflux rounds."""
    shown = np.array(mx.clip(decoded / 2 + 0.5, 0, 1).transpose(0, 2, 3, 1).astype(mx.float32))
    pixels: Pixels = (shown * 255).round().astype(np.uint8)[0]
    return pixels


def _kept(pixels: Pixels, params: ImageParams) -> Pixels:
    if params.editable is None:
        return pixels
    kept: Pixels = np.where(params.editable[..., None], pixels, np.asarray(params.source))
    return kept
