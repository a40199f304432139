"""Recordings made by numpy, and written by PyAV in the formats that users send."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

RATE = 16_000

Samples = npt.NDArray[np.float32]
#: Writes a recording, and says where.
Keep = Callable[[bytes], Path]

#: How a recording is written, by the ending of its name: container, codec, and the rate where the codec has its own.
ENCODINGS: dict[str, tuple[str, str, int | None]] = {
    "wav": ("wav", "pcm_s16le", None),
    "flac": ("flac", "flac", None),
    "aiff": ("aiff", "pcm_s16be", None),
    "mp3": ("mp3", "libmp3lame", None),
    "m4a": ("mp4", "aac", None),
    "ogg": ("ogg", "libopus", 48_000),
    "webm": ("webm", "libopus", 48_000),
    "aac": ("adts", "aac", None),
}


def speech(seconds: float, seed: int = 0, rate: int = RATE) -> Samples:
    """Something like speech: syllables of a voice with two formants, and pauses between them."""
    draw = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    sound = np.zeros(len(time))
    at = 0.1
    while at < seconds:
        length = draw.uniform(0.12, 0.35)
        inside = (time >= at) & (time < at + length)
        t = time[inside] - at
        pitch = draw.uniform(90, 220) * (1 + 0.1 * np.sin(2 * np.pi * 3 * t))
        voice = np.sign(np.sin(2 * np.pi * pitch * t))
        formants = sum(np.sin(2 * np.pi * draw.uniform(low, 4 * low) * t) for low in (300, 900))
        sound[inside] = voice * formants * np.hanning(len(t))
        at += length + (draw.uniform(0.4, 0.9) if draw.random() < 0.2 else draw.uniform(0.02, 0.1))
    sound += draw.normal(0, 0.001, len(time))
    loud: Samples = (0.3 * sound / max(1e-9, np.abs(sound).max())).astype(np.float32)
    return loud


def write(path: Path, samples: Samples, *, rate: int = RATE, layout: str = "mono") -> Path:
    """Write one channel of samples, in each channel of `layout`, as the path's ending says."""
    container, codec, own_rate = ENCODINGS[path.suffix[1:]]
    target = own_rate or rate
    with av.open(str(path), "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=target, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        size = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(stream.codec_context.format, layout, target, size)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return path


def film(path: Path) -> Path:
    """One second of pictures without sound."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=10, width=32, height=32, pix_fmt="yuv420p")
        for _ in range(10):
            file.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24"))
            )
        file.mux(stream.encode(None))
    return path


def as_played(samples: Samples) -> Samples:
    """What 16 bits keep of the samples: what is read back from a lossless recording."""
    whole: Samples = np.clip(np.round(samples * 32768), -32768, 32767) / np.float32(32768)
    return whole
