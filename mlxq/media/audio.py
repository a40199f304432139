"""Recordings as users send them: checked by their content, never by their name or their MIME type.

The API opens a recording to refuse one that cannot be decoded; the worker opens it again for the model. No demuxer is
reached that would open other files or addresses (playlists), whatever the file contains.
"""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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

_OPTIONS = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file,subfile"}
#: How files of formats begin that may be concatenated, by their first four bytes. libav's demuxers keep the format of
#: the first file.
_JOINED = {b"OggS": b"OggS\0\2", b"fLaC": b"fLaC\0\0\0\x22"}
#: Recordings that are looked for in one file.
_MOST_PARTS = 1000
#: libav's formats whose headers hold the duration. Others' is an estimate by the bit rate, or the first part's.
_MEASURED = frozenset({"aiff", "asf", "au", "caf", "matroska", "mov", "w64", "wav", "webm"})
#: Seconds: a recording that starts later has timestamps of another clock.
_EARLY = 0.5
#: Hertz, by the number in the header of an ADTS frame.
_ADTS_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_ADTS_SAMPLES = 1024


class UnreadableAudio(ValueError):
    """The message says why, for the user."""


@dataclass(frozen=True, slots=True)
class Part:
    """A range of bytes that is a recording by itself; `end` is None for the whole file."""

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
        mark = _JOINED.get(file.read(4))
        if mark is None:
            return [Part()]
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            starts, streams_end = [0], 0
            place = data.find(mark)
            while place >= 0 and len(starts) < _MOST_PARTS:
                # The streams of one recording begin on consecutive pages.
                if place not in (0, streams_end):
                    starts.append(place)
                if mark.startswith(b"OggS"):
                    lengths = (
                        data[place + 27 : place + 27 + data[place + 26]] if place + 27 <= len(data) else b""
                    )
                    streams_end = place + 27 + len(lengths) + sum(lengths)
                place = data.find(mark, place + len(mark))
            if len(starts) == 1:
                return [Part()]
            return [Part(*place) for place in zip(starts, [*starts[1:], len(data)], strict=True)]


@contextmanager
def open_audio(path: Path, part: Part | None = None) -> Iterator[tuple[InputContainer, AudioStream]]:
    """The recording, or a part of it, and its first audio stream. Raises UnreadableAudio."""
    if path.stat().st_size == 0:
        raise UnreadableAudio("it is empty")
    address = f"file:{path}"
    if part is not None and part.end is not None:
        address = f"subfile,,start,{part.start},end,{part.end},,:{address}"
    try:
        container = av.open(address, options=_OPTIONS, metadata_errors="ignore")
    except (av.FFmpegError, ValueError, OSError) as error:
        raise UnreadableAudio("it is no audio file, or it is broken") from error
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
        yield container, stream


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
    with open_audio(path) as (container, stream):
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
        return float(stream.duration * stream.time_base)
    # This is the time of the end, by a clock that may have started days before the recording.
    if container.duration is None or (container.start_time or 0) > _EARLY * av.time_base:
        return None
    return container.duration / av.time_base


def _count(path: Path, longest: float) -> float:
    """Seconds by the packets; stops counting above `longest`."""
    seconds = 0.0
    for number, part in enumerate(parts_of(path)):
        try:
            with open_audio(path, part) as (container, stream):
                adts = container.format.name in ("aac", "mpegts")
                first: int | None = None
                last = counted = 0
                base = float(stream.time_base or 0)
                for packet in packets(container, stream):
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
        if seconds > longest:
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
