"""Recordings as users send them: checked by their content, never by their name or their MIME type.

The API opens a recording to refuse one that cannot be decoded; the worker opens it again for the model. libav opens
nothing: it is given the bytes of one file, whatever names and addresses are in it. What it makes of them is bounded.
"""

import ctypes
import mmap
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from io import RawIOBase
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

#: Accepted formats, by libav's names of demuxers.
FORMATS = (
    *("aac", "ac3", "aiff", "amr", "asf", "au", "caf", "flac", "flv", "matroska", "mov", "mp3"),
    *("mpeg", "mpegts", "ogg", "w64", "wav", "webm", "wv"),
)
#: Plausible hertz and channels; a header may hold any number.
RATES = range(2_000, 768_001)
CHANNELS = range(1, 65)
#: Seconds that a recording has at least, as in OpenAI's API.
SHORTEST = 0.1

#: How an ID3 tag begins that may be packed, and bytes of that beside its first one.
_TAG, _MARK = re.compile(rb"ID3(?=[\3\4])"), 3
#: WAVEFORMATEXTENSIBLE: the bits of a sample, and how many of them are valid. libav takes the second for the first.
_BITS = re.compile(rb"(fmt .{4}\xfe\xff.{12}(..)\x16\0)..", re.DOTALL)
#: Bytes that libav reads at once.
_READ = 1 << 17
#: Seconds that libav may take to open a file: a hostile one can make it read for minutes.
_OPENING = 20.0
#: Samples of one frame, of all channels together. No encoder writes as many; a hostile file has gigabytes in one.
_LARGEST_FRAME = 1 << 21
#: Bytes that libav may allocate at once. The index of a film of hours and its largest pictures need less.
_LARGEST_ALLOCATION = 128 << 20
#: How files of formats begin that may be concatenated, by their first four bytes. libav's demuxers keep the format of
#: the first file.
_JOINED = {b"OggS": b"OggS\0\2", b"fLaC": b"fLaC\0\0\0\x22"}
#: Recordings that are looked for in one file, and tags before the first one.
_MOST_PARTS = _MOST_TAGS = 1000
#: Packets that are counted for a duration: those of the longest recordings in frames of 20 ms.
_MOST_PACKETS = 1 << 20
#: libav's formats whose headers hold the duration. Others' is an estimate by the bit rate, or the first part's.
_MEASURED = frozenset({"aiff", "asf", "au", "caf", "matroska", "mov", "w64", "wav", "webm"})
#: Seconds: a recording that starts later has timestamps of another clock.
_EARLY = 0.5
#: Hertz, by the number in the header of an ADTS frame.
_ADTS_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_ADTS_SAMPLES = 1024


_BROKEN = "it is no audio file, or it is broken"


class UnreadableAudio(ValueError):
    """The message says why, for the user."""


@dataclass(frozen=True, slots=True)
class Part:
    """A range of bytes that is a recording by itself; `end` is None for the end of the file."""

    start: int = 0
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording's length in seconds, and its channels."""

    seconds: float
    channels: int


def parts_of(path: Path) -> list[Part]:
    """The recordings that are concatenated in this file. Ogg is designed for it, and such FLAC files occur."""
    with path.open("rb") as file:
        begin = _behind_tags(file)
        file.seek(begin)
        mark = _JOINED.get(file.read(4))
        if mark is None:
            return [Part(begin)]
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            starts, streams_end = [begin], begin
            place = data.find(mark, begin)
            while place >= 0 and len(starts) < _MOST_PARTS:
                # The streams of one recording begin on consecutive pages.
                if place not in (begin, streams_end):
                    starts.append(place)
                if mark.startswith(b"OggS"):
                    lengths = (
                        data[place + 27 : place + 27 + data[place + 26]] if place + 27 <= len(data) else b""
                    )
                    streams_end = place + 27 + len(lengths) + sum(lengths)
                place = data.find(mark, place + len(mark))
            if len(starts) == 1:
                return [Part(begin)]
            return [Part(*place) for place in zip(starts, [*starts[1:], len(data)], strict=True)]


def _behind_tags(file: BinaryIO) -> int:
    """Where a recording begins: behind its ID3 tags. libav would unpack them, a thousandfold, and keep them.

    Raises UnreadableAudio where nothing is behind them.
    """
    begin, size = 0, file.seek(0, os.SEEK_END)
    for _ in range(_MOST_TAGS):
        if begin >= size:
            break
        file.seek(begin)
        head = file.read(10)
        if len(head) < 10 or not head.startswith(b"ID3") or max(head[6:]) > 127:
            return begin
        footer = 10 if head[5] & 0x10 else 0
        begin += 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]) + footer
    raise UnreadableAudio(_BROKEN if size else "it is empty")


class _Bytes:
    """The bytes of a part of a file, as libav reads them.

    Marks of ID3 tags, which many formats may hold, are blanked: libav would unpack their texts a thousandfold.
    """

    def __init__(self, file: RawIOBase, start: int, end: int) -> None:
        self._file, self._start, self._end = file, start, end
        self._at = start
        self.deadline = time.monotonic() + _OPENING

    def read(self, size: int) -> bytes:
        if time.monotonic() > self.deadline:
            raise UnreadableAudio("it takes too long to open")
        # A mark may begin before these bytes, and end behind them.
        before = max(self._start, self._at - _MARK)
        self._file.seek(before)
        data = self._file.read(min(self._at + size + _MARK, self._end) - before)
        if before == self._start:
            data = _BITS.sub(rb"\1\2", data, count=1)
        data = _TAG.sub(bytes(3), data)[self._at - before :][:size]
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: self._start, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        self._at = min(max(origin + offset, self._start), self._end)
        return self.tell()

    def tell(self) -> int:
        return self._at - self._start


@contextmanager
def open_audio(path: Path, part: Part) -> Iterator[tuple[InputContainer, AudioStream]]:
    """A part of a file, and its first audio stream. Raises UnreadableAudio."""
    with path.open("rb", buffering=0) as file:
        source = _Bytes(file, part.start, path.stat().st_size if part.end is None else part.end)
        try:
            container = av.open(source, "r", options=_options(), metadata_errors="ignore", buffer_size=_READ)
        except UnreadableAudio:
            raise
        except (av.FFmpegError, ValueError, OSError) as error:
            raise UnreadableAudio(_BROKEN) from error
        source.deadline = float("inf")
        with _opened(container) as stream:
            yield container, stream


@contextmanager
def _opened(container: InputContainer) -> Iterator[AudioStream]:
    """The first audio stream. Raises UnreadableAudio."""
    with container:
        if not container.streams.audio:
            raise UnreadableAudio("there is no sound in it")
        stream = container.streams.audio[0]
        if stream.codec_context is None or not stream.codec_context.sample_rate:
            raise UnreadableAudio("its sound is in no known format")
        if stream.codec_context.sample_rate not in RATES:
            raise UnreadableAudio(f"it has {stream.codec_context.sample_rate} samples a second")
        if stream.codec_context.channels not in CHANNELS:
            raise UnreadableAudio(f"it has {stream.codec_context.channels} channels")
        stream.codec_context.options = {"max_samples": str(_LARGEST_FRAME)}
        yield stream


@cache
def _options() -> dict[str, str]:
    """libav's for all files. It would decode pictures, also covers, for their sizes: it gets no decoder for them."""
    with suppress(AttributeError):  # a libav that was linked in another way
        ctypes.CDLL(av._core.__file__).av_max_alloc(ctypes.c_size_t(_LARGEST_ALLOCATION))
    known = {name for name in av.codecs_available if _hears(name)}
    return {
        "format_whitelist": ",".join(FORMATS),
        "protocol_whitelist": "",
        "codec_whitelist": ",".join(sorted(known)),
    }


def _hears(name: str) -> bool:
    """Whether libav's codec of this name decodes audio."""
    with suppress(av.codec.codec.UnknownCodecError):
        return av.Codec(name, "r").type == "audio"
    return False


def packets(container: InputContainer, stream: AudioStream) -> Iterator["av.Packet[AudioStream]"]:
    """The stream's packets, in order; the last one is empty and flushes the decoder. Raises UnreadableAudio."""
    try:
        yield from container.demux(stream)
    except (av.FFmpegError, OSError) as error:
        if isinstance(error, av.EOFError):
            return
        raise UnreadableAudio("its data is broken") from error


def frames_of(packet: "av.Packet[AudioStream]") -> list[AudioFrame]:
    """The frames of an audio packet. Raises FFmpegError or ValueError for a damaged one."""
    return [frame for frame in packet.decode() if isinstance(frame, AudioFrame)]


def usable(frame: AudioFrame) -> bool:
    """Whether the frame's rate and channels are plausible: its header may hold any number."""
    return frame.sample_rate in RATES and frame.layout.nb_channels in CHANNELS


def probe(path: Path, longest: float) -> Sound:
    """What is known of a recording before it is decoded: its duration is told by its container or by its packets.

    Only the beginning is decoded. A recording is refused as too long by its packets, never by an estimate.
    Raises UnreadableAudio.
    """
    heard, channels = 0.0, 0
    with open_audio(path, Part(parts_of(path)[0].start)) as (container, stream):
        said = _length(container, stream)
        bad = 0
        for packet in packets(container, stream):
            try:
                for frame in filter(usable, frames_of(packet)):
                    heard += frame.samples / frame.sample_rate
                    channels = max(channels, frame.layout.nb_channels)
            except (av.FFmpegError, ValueError):
                bad += 1
            if heard >= SHORTEST or bad > 50:
                break
    if heard == 0:
        raise UnreadableAudio("there is no sound in it")
    if heard < SHORTEST:
        raise UnreadableAudio(f"it is shorter than {SHORTEST} s")
    if said is None or said > longest:
        said = _count(path, longest)
        if said > longest:
            raise too_long(longest)
    return Sound(max(said, heard), channels)


def _length(container: InputContainer, stream: AudioStream) -> float | None:
    """Seconds by the headers; None where they do not hold a reliable duration."""
    if _MEASURED.isdisjoint(container.format.name.split(",")):
        return None
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base) or None
    # This is the time of the end, by a clock that may have started days before the recording.
    if container.duration is None or (container.start_time or 0) > _EARLY * av.time_base:
        return None
    return container.duration / av.time_base


def _count(path: Path, longest: float) -> float:
    """Seconds by the packets; stops counting above `longest`, and after `_MOST_PACKETS`."""
    seconds, left = 0.0, _MOST_PACKETS
    for number, part in enumerate(parts_of(path)):
        try:
            with open_audio(path, part) as (container, stream):
                adts = container.format.name in ("aac", "mpegts")
                first: int | None = None
                last = counted = 0
                base = float(stream.time_base or 0)
                for packet in islice(packets(container, stream), left):
                    left -= 1
                    if adts and (own := _adts_seconds(packet)):
                        seconds += own
                    elif packet.duration:
                        counted += packet.duration
                    elif packet.pts is not None:
                        first = packet.pts if first is None else first
                        last = max(last, packet.pts)
                    if seconds + counted * base > longest:
                        break
                # Packets without a duration are counted by their timestamps.
                seconds += (counted or last - (first or 0)) * base
        except UnreadableAudio:
            if number == 0:
                raise
        if seconds > longest or not left:
            break
    return seconds


def _adts_seconds(packet: "av.Packet[AudioStream]") -> float:
    """Seconds of an ADTS frame, by its own rate: libav assumes that of the first frame for all."""
    header = bytes(memoryview(packet)[:7])
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return 0.0
    number = (header[2] >> 2) & 15
    return _ADTS_SAMPLES * ((header[6] & 3) + 1) / _ADTS_RATES[number] if number < len(_ADTS_RATES) else 0.0


def too_long(longest: float) -> UnreadableAudio:
    return UnreadableAudio(f"it is longer than {longest:g} s")
