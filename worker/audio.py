"""Sound from files, as models take it: mono, float32, at their own rate, in pieces of a second or so.

It knows PyAV and numpy; it does not know jobs. A recording of any length takes the same memory.
"""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from jobs.errors import InvalidRequest
from jobs.sound import UnreadableSound, frames_of, open_sound, packets

Samples = npt.NDArray[np.float32]


def decode(path: Path, rate: int, longest: float = float("inf")) -> Iterator[Samples]:
    """The samples [n] of a recording between -1 and 1, `rate` of them a second, all channels mixed.

    A damaged packet is left out, as players do; a recording with more of them than of whole ones is refused, as
    one that has more than `longest` seconds: InvalidRequest, which may come late.
    """
    try:
        yield from _decode(path, rate, longest)
    except UnreadableSound as error:
        raise InvalidRequest(
            f"The audio can't be used: {error}.", param="file", code="invalid_audio"
        ) from error


def _decode(path: Path, rate: int, longest: float) -> Iterator[Samples]:
    room = longest * rate
    whole = damaged = 0
    with open_sound(path) as (container, stream):
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
        for packet in packets(container, stream):
            try:
                frames = frames_of(packet)
            except (av.FFmpegError, ValueError):
                damaged += 1
                continue
            whole += bool(frames)
            for frame in frames:
                for piece in _resample(resampler, frame):
                    room -= len(piece)
                    if room < 0:
                        raise UnreadableSound(f"it is longer than {longest:g} s")
                    yield piece
        yield from _resample(resampler, None)
    if damaged > whole:
        raise UnreadableSound("most of its data is broken")


def _resample(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Iterator[Samples]:
    try:
        resampled = resampler.resample(frame)
    except (av.FFmpegError, ValueError) as error:
        raise UnreadableSound("its format changes on the way") from error
    for piece in resampled:
        samples = piece.to_ndarray().reshape(-1)
        yield np.nan_to_num(samples.astype(np.float32, copy=False), posinf=0.0, neginf=0.0)
