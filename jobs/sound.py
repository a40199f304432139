"""Recordings as users send them: judged by their content, never by their name or their MIME type.

The API opens a recording to refuse what can't be heard; the worker opens it again for the model. No demuxer is
reached that would open other files or addresses (playlists), whatever the recording says that it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

#: What is taken, as libav names its demuxers.
FORMATS = (
    *("aac", "ac3", "aiff", "amr", "asf", "au", "caf", "flac", "flv", "matroska", "mov", "mp3"),
    *("mpeg", "mpegts", "ogg", "w64", "wav", "webm", "wv"),
)
#: Hertz and channels of a recording that somebody made; a header can say anything.
RATES = range(2_000, 768_001)
CHANNELS = range(1, 65)
#: Seconds that a recording has at least, as in OpenAI's API.
SHORTEST = 0.1

_OPTIONS = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"}


class UnreadableSound(ValueError):
    """The message says why, for the user."""


@contextmanager
def open_sound(path: Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    """The recording and its first audio stream. Raises UnreadableSound."""
    if path.stat().st_size == 0:
        raise UnreadableSound("it is empty")
    try:
        container = av.open(f"file:{path}", options=_OPTIONS, metadata_errors="ignore")
    except (av.FFmpegError, ValueError, OSError) as error:
        raise UnreadableSound("it is no audio file, or it is broken") from error
    with container:
        if not container.streams.audio:
            raise UnreadableSound("there is no sound in it")
        stream = container.streams.audio[0]
        if stream.codec_context is None or not stream.codec_context.sample_rate:
            raise UnreadableSound("its sound is in no known format")
        if stream.codec_context.sample_rate not in RATES:
            raise UnreadableSound(f"it has {stream.codec_context.sample_rate} samples a second")
        if stream.codec_context.channels not in CHANNELS:
            raise UnreadableSound(f"it has {stream.codec_context.channels} channels")
        yield container, stream


def packets(container: InputContainer, stream: AudioStream) -> Iterator["av.Packet[AudioStream]"]:
    """The stream's packets, in order; the last one is empty, for the decoder's rest. Raises UnreadableSound."""
    try:
        yield from container.demux(stream)
    except (av.FFmpegError, OSError) as error:
        if isinstance(error, av.EOFError):
            return
        raise UnreadableSound("its data is broken") from error


def frames_of(packet: "av.Packet[AudioStream]") -> list[AudioFrame]:
    """What a packet of sound holds. Raises FFmpegError or ValueError for a damaged one."""
    return [frame for frame in packet.decode() if isinstance(frame, AudioFrame)]


def probe(path: Path, longest: float) -> float:
    """How many seconds a recording has: what its container says, or what its packets do.

    Its beginning is decoded, its rest is believed: who decodes it all finds out. Raises UnreadableSound.
    """
    heard = 0.0
    with open_sound(path) as (container, stream):
        said = _length(container, stream)
        if said is not None and said > longest:
            raise _too_long(longest)
        bad = 0
        for packet in packets(container, stream):
            try:
                heard += sum(frame.samples / frame.sample_rate for frame in frames_of(packet))
            except (av.FFmpegError, ValueError):
                bad += 1
            if heard >= SHORTEST or bad > 50:
                break
    if heard == 0:
        raise UnreadableSound("there is no sound in it")
    if heard < SHORTEST:
        raise UnreadableSound(f"it is shorter than {SHORTEST} s")
    if said is None:
        said = _count(path)
        if said > longest:
            raise _too_long(longest)
    return max(said, heard)


def _length(container: InputContainer, stream: AudioStream) -> float | None:
    """Seconds by the headers."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None:
        return container.duration / av.time_base
    return None


def _count(path: Path) -> float:
    """Seconds by the times of the packets: recordings of browsers have no length in their header."""
    with open_sound(path) as (container, stream):
        first: int | None = None
        last = 0
        for packet in packets(container, stream):
            if packet.pts is not None:
                first = packet.pts if first is None else min(first, packet.pts)
                last = max(last, packet.pts + (packet.duration or 0))
        if first is None or stream.time_base is None:
            return 0.0
        return float((last - first) * stream.time_base)


def _too_long(longest: float) -> UnreadableSound:
    return UnreadableSound(f"it is longer than {longest:g} s")
