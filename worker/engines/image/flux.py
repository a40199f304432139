"""The start of FLUX.1 and FLUX.2: from noise, or from noise and a source image, as mflux starts.

It knows packed latents, of one vector for 16x16 pixels; it does not know how a family encodes an image.
"""

from collections.abc import Callable

import mlx.core as mx
from mflux.models.common.latent_creator.latent_creator import LatentCreator

from worker.engines.image.diffusion import DenoiseState, ImageParams, editable_blocks, first_step


def start_state(
    params: ImageParams,
    noise: mx.array,
    encode_source: Callable[[], mx.array],
    sigmas: mx.array,
    velocity: Callable[[mx.array, int], mx.array],
    advance: Callable[[mx.array, int, mx.array], mx.array],
) -> DenoiseState:
    """`noise` and the encoded source are latents [1, blocks, channels]; `sigmas` has one value more than steps."""
    if params.strength is None:
        return DenoiseState(noise, sigmas, 0, velocity, advance)
    source = encode_source()
    # mflux keeps a bit of the source whenever there is one.
    least = int(0 < params.strength < 1 and params.steps > 1)
    index = max(first_step(params.steps, params.strength), least)
    latents = LatentCreator.add_noise_by_interpolation(clean=source, noise=noise, sigma=sigmas[index])
    frozen = None
    if params.editable is not None:
        frozen = mx.array(~editable_blocks(params.editable, 16)).reshape(1, -1, 1)
    return DenoiseState(latents, sigmas, index, velocity, advance, source, noise, frozen)
