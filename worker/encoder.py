"""Encodes audio into files while it is made: takes samples, returns new bytes of the file.

This module knows containers and codecs by PyAV. It does not know models.
"""

import io
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.audio.resampler import AudioResampler

from jobs.errors import EngineFailure

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Codec:
    """A format by PyAV's names. `rates`: its sample rates, () for any; `seeks`: its header is completed at the end.

    `trims`: the encoder's first frame is silence and its last one is incomplete, and the file does not say so: both
    are left out, so that the file is as long as the audio to half a frame. `streams`: the same while it is streamed.
    """

    container: str
    codec: str
    sample_format: str
    rates: tuple[int, ...] = ()
    seeks: bool = False
    trims: bool = False
    streams: bool = False
    bit_rate: int | None = None
    options: dict[str, str] = field(default_factory=dict)
    encoder: dict[str, str] = field(default_factory=dict)


#: Frames of mp3 and aac have a fixed number of samples: at this rate they are shortest, 24 and 21 ms.
_SHORT_FRAMES = (48000,)

#: Raw samples always have 24 kHz: OpenAI's clients expect it, and raw samples have no header.
_CODECS = {
    "wav": _Codec("wav", "pcm_s16le", "s16", seeks=True),
    "flac": _Codec("flac", "flac", "s16", seeks=True),
    "mp3": _Codec(
        "mp3",
        "libmp3lame",
        "s16p",
        rates=_SHORT_FRAMES,
        streams=True,
        bit_rate=96_000,
        # A frame that uses bits of the one before it could not be the first.
        encoder={"reservoir": "0"},
    ),
    # By default a page holds a second, and the first byte would come after it.
    "opus": _Codec(
        "ogg",
        "libopus",
        "s16",
        rates=(8000, 12000, 16000, 24000, 48000),
        bit_rate=48_000,
        options={"page_duration": "100000"},
    ),
    "aac": _Codec(
        "adts",
        "aac",
        "fltp",
        rates=_SHORT_FRAMES,
        trims=True,
        streams=True,
        bit_rate=96_000,
    ),
    "pcm": _Codec("s16le", "pcm_s16le", "s16", rates=(24000,)),
}


class _Pipe:
    """A file that only grows: written bytes are never changed."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


class Encoder:
    """A file of one format, of mono samples at `rate`.

    `live`: the bytes are sent while the file grows: formats that can do without it get no header that is rewritten at
    the end. The headers of wav and flac have the right length only in `data`.
    """

    def __init__(self, format: str, rate: int, *, live: bool) -> None:
        codec = _CODECS[format]
        self.sample_rate = _nearest(rate, codec.rates)
        self._file: io.BytesIO | _Pipe = io.BytesIO() if codec.seeks or not live else _Pipe()
        # The same samples always give the same bytes.
        container = {"flush_packets": "1", "fflags": "+bitexact", **codec.options}
        self._trims = codec.trims or (live and codec.streams)
        if self._trims:
            # mp3's header with its length, which is complete only at the end.
            container |= {"write_xing": "0"} if codec.container == "mp3" else {}
        self._container: Any = av.open(
            self._file, mode="w", format=codec.container, container_options=container
        )
        stream: Any = self._container.add_stream(codec.codec, rate=self.sample_rate, options=codec.encoder)
        self._stream = stream
        stream.codec_context.layout = "mono"
        stream.codec_context.format = codec.sample_format
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        if codec.bit_rate is not None:
            stream.codec_context.bit_rate = codec.bit_rate
        self._resampler = AudioResampler(format=codec.sample_format, layout="mono", rate=self.sample_rate)
        self._rate = rate
        self._sent = 0
        self._written = 0
        #: encoded frames, the first of which is left out
        self._frames = 0

    @property
    def duration(self) -> float:
        """Seconds of audio so far."""
        return self._written / self._rate

    def encode(self, samples: Samples) -> bytes:
        """Encode these samples in [-1, 1]. Returns the new bytes, possibly none."""
        if not len(samples):
            return b""
        if not np.isfinite(samples).all():
            raise EngineFailure("The model made no sound of this text.")
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(np.clip(samples, -1, 1)[None, :]), format="flt", layout="mono"
        )
        frame.sample_rate = self._rate
        frame.pts = self._written
        frame.time_base = Fraction(1, self._rate)
        self._written += len(samples)
        self._mux(self._resampler.resample(frame))
        return self._new()

    def finish(self) -> bytes:
        """Complete the file. Returns the last bytes."""
        self._mux(self._resampler.resample(None))
        last = None
        if self._trims:
            samples = self._written * self.sample_rate / self._rate
            last = max(1, round(samples / self._stream.codec_context.frame_size))
        self._write(self._stream.encode(None), last)
        self._container.close()
        return self._new()

    @property
    def data(self) -> bytes:
        """The file so far."""
        return bytes(self._file.data) if isinstance(self._file, _Pipe) else self._file.getvalue()

    def _mux(self, frames: list[Any]) -> None:
        for frame in frames:
            self._write(self._stream.encode(frame))

    def _write(self, packets: list[Any], last: int | None = None) -> None:
        """`last`: the number of the last frame of a trimmed file."""
        for packet in packets:
            number, self._frames = self._frames, self._frames + 1
            if not self._trims or (number > 0 and (last is None or number <= last)):
                self._container.mux(packet)

    def _new(self) -> bytes:
        with memoryview(self._file.data if isinstance(self._file, _Pipe) else self._file.getbuffer()) as view:
            new = bytes(view[self._sent :])
        self._sent += len(new)
        return new


def _nearest(rate: int, rates: tuple[int, ...]) -> int:
    """The lowest of these rates that is not below `rate`, or the highest."""
    if not rates or rate in rates:
        return rate
    return min((each for each in rates if each > rate), default=max(rates))
