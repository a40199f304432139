"""Recordings as other programs leave them: sound with times of its own, beside pictures, and files written one after
another.
"""

import io
from fractions import Fraction
from typing import Any

import av
import numpy as np

from tests.support.audio import Samples

#: Pictures a second.
_PICTURES = 2


def tone(pitch: float, seconds: float, rate: int) -> Samples:
    time = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


def recording(
    container: str,
    codec: str,
    sounds: list[tuple[float, Samples]],
    *,
    rate: int = 48_000,
    layout: str = "mono",
    clock: float = 0.0,
    pictures: float = 0.0,
    **options: str,
) -> bytes:
    """Each of `sounds` from its second on, by a clock that begins at `clock`; with so many seconds of pictures."""
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options) as out:
        video: Any = None
        if pictures:
            video = out.add_stream("mpeg4", rate=_PICTURES, width=16, height=16, pix_fmt="yuv420p")
        stream: Any = out.add_stream(codec, rate=rate, layout=layout)
        packets = []
        for number in range(round(pictures * _PICTURES)):
            picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
            picture.pts = number + round(clock * _PICTURES)
            picture.time_base = Fraction(1, _PICTURES)
            packets += video.encode(picture)
        packets += video.encode(None) if video is not None else []
        for start, samples in sounds:
            frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            frame.sample_rate = rate
            size = stream.codec_context.frame_size or 960
            resampler = av.AudioResampler(stream.codec_context.format, layout, rate, size)
            at = round((clock + start) * rate)
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                piece.pts, piece.time_base = at, Fraction(1, rate)
                at += piece.samples
                packets += stream.encode(piece)
        packets += stream.encode(None)
        for packet in sorted(packets, key=lambda each: float((each.dts or 0) * each.time_base)):
            out.mux(packet)
    return file.getvalue()
