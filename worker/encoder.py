"""Sound into files, while it is made: samples go in as they come, bytes of the file come out.

It knows containers and codecs by PyAV; it does not know who speaks.
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
    """How PyAV calls a format. `rates`: what it holds, () for any; `seeks`: its head is completed at the end.

    `trims`: nothing in the file tells that the encoder's first frame is silence and its last one only begun: they are
    left out, so that the file is as long as the sound to half a frame. `streams`: the same is done while it is sent.
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


#: Frames of mp3 and aac have a number of samples: at this rate they are shortest, 24 and 21 ms.
_SHORT_FRAMES = (48000,)

#: Raw samples are always of 24 kHz: OpenAI's clients play them so, and nothing in them says otherwise.
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
        # A frame that borrows from the one before it could not be the first.
        encoder={"reservoir": "0"},
    ),
    # Without a bound a page is as long as a second, and so is the wait for the first byte.
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
    """A file that can only be written on: what went out is never changed."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)


class Encoder:
    """A file of one format, of mono samples at `rate`.

    `live`: the bytes are sent while the file grows, so that formats which are complete without it get no head that is
    written again at the end. The heads of wav and flac say how long they are only in `data`.
    """

    def __init__(self, format: str, rate: int, *, live: bool) -> None:
        codec = _CODECS[format]
        self.sample_rate = _nearest(rate, codec.rates)
        self._file: io.BytesIO | _Pipe = io.BytesIO() if codec.seeks or not live else _Pipe()
        # Nothing of a file depends on chance: who reads it again finds the same bytes.
        container = {"flush_packets": "1", "fflags": "+bitexact", **codec.options}
        self._trims = codec.trims or (live and codec.streams)
        if self._trims:
            # mp3's own account of its length, which is complete at the end only.
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
        #: frames of the codec that came, the first of which is left out
        self._frames = 0

    @property
    def duration(self) -> float:
        """Seconds of sound that went in."""
        return self._written / self._rate

    def encode(self, samples: Samples) -> bytes:
        """Take these samples (from -1 to 1) in. Returns the bytes that are new; there may be none yet."""
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
        """The last bytes. The file is complete."""
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
        """`last` is the number of the last frame that belongs into a file that is trimmed."""
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
    """The lowest of these that loses nothing, or the highest."""
    if not rates or rate in rates:
        return rate
    return min((each for each in rates if each > rate), default=max(rates))
