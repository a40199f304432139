"""Decodes audio files into samples as models take them: mono, float32, at their own rate, about a second at a time.

This module knows PyAV and numpy. It does not know jobs. A recording of any length takes the same memory.
"""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import InputContainer

from jobs.errors import InvalidRequest
from mlxq.media.audio import UnreadableAudio, frames_of, open_audio, packets, parts_of, too_long, usable
from worker.timeline import Timeline

Samples = npt.NDArray[np.float32]

#: Formats whose packets have times. In other formats times are counted, and are less exact than the samples.
_TIMED = frozenset({"asf", "flv", "matroska", "mov", "mpeg", "mpegts", "ogg", "webm"})
_BROADCAST = ("mpeg", "mpegts")


def decode(
    path: Path, rate: int, longest: float = float("inf"), timeline: Timeline | None = None
) -> Generator[Samples, None, None]:
    """The samples [n] of a recording between -1 and 1, `rate` of them a second, all channels mixed.

    With a `timeline`, silence is inserted for a late start and for gaps. Damaged packets are left out, as players do.
    Raises InvalidRequest, possibly late, for a recording with more damaged packets than whole ones, and for one of
    more than `longest` seconds.
    """
    try:
        yield from _Decoder(path, rate, longest, timeline).run()
    except UnreadableAudio as error:
        raise InvalidRequest(
            f"The audio can't be used: {error}.", param="file", code="invalid_audio"
        ) from error


class _Decoder:
    def __init__(self, path: Path, rate: int, longest: float, timeline: Timeline | None) -> None:
        self._path, self._rate, self._longest, self._timeline = path, rate, longest, timeline
        self._room = longest * rate
        #: samples to skip, because they repeat earlier ones
        self._skipped = 0
        self._whole = self._damaged = 0
        self._mixer: _Mixer | None = None
        self._form: tuple[str, str, int] | None = None

    def run(self) -> Iterator[Samples]:
        for number, part in enumerate(parts_of(self._path)):
            try:
                with open_audio(self._path, part) as (container, stream):
                    yield from self._part(container, stream)
            except UnreadableAudio:
                if number == 0 or self._room < 0:
                    raise
                self._damaged += 1
        yield from self._rest()
        if self._damaged > self._whole:
            raise UnreadableAudio("most of its data is broken")

    def _part(self, container: InputContainer, stream: AudioStream) -> Iterator[Samples]:
        form = container.format.name
        timed = not _TIMED.isdisjoint(form.split(","))
        if self._timeline is not None:
            self._timeline.begin(_start(container) if timed else 0.0, broadcast=form in _BROADCAST)
        for packet in packets(container, stream):
            try:
                frames = frames_of(packet)
            except (av.FFmpegError, ValueError):
                self._damaged += 1
                continue
            good = [frame for frame in frames if usable(frame)]
            self._whole += bool(good)
            self._damaged += len(good) < len(frames)
            for frame in good:
                if self._timeline is not None:
                    time = frame.time if timed else None
                    yield from self._place(self._timeline.add(time, frame.samples / frame.sample_rate))
                yield from self._mix(frame)

    def _place(self, shift: float) -> Iterator[Samples]:
        """Silence, or samples to skip, before a frame that begins `shift` seconds after the last one's end."""
        if shift == 0:
            return
        yield from self._rest()
        if shift > 0:
            yield from self._out(np.zeros(round(shift * self._rate), np.float32))
        else:
            self._skipped += round(-shift * self._rate)

    def _mix(self, frame: av.AudioFrame) -> Iterator[Samples]:
        form = frame.format.name, frame.layout.name, frame.sample_rate
        if self._mixer is None or form != self._form:
            # The samples that the last one still holds have another format.
            yield from self._rest()
            self._mixer, self._form = _Mixer(frame, self._rate), form
        frame.pts = None
        yield from self._mixed(self._mixer, frame)

    def _rest(self) -> Iterator[Samples]:
        mixer, self._mixer = self._mixer, None
        if mixer is not None:
            yield from self._mixed(mixer, None)

    def _mixed(self, mixer: "_Mixer", frame: av.AudioFrame | None) -> Iterator[Samples]:
        try:
            pieces = mixer.mix(frame)
        except (av.FFmpegError, ValueError):
            self._damaged += 1
            self._whole -= 1
            return
        for samples in pieces:
            # Samples of floats may be anything.
            yield from self._out(np.clip(np.nan_to_num(samples, posinf=0.0, neginf=0.0), -1.0, 1.0))

    def _out(self, samples: Samples) -> Iterator[Samples]:
        skipped = min(self._skipped, len(samples))
        self._skipped -= skipped
        self._room -= len(samples) - skipped
        if self._room < 0:
            raise too_long(self._longest)
        if skipped < len(samples):
            yield samples[skipped:]


class _Mixer:
    """Mixes the channels of frames like the first one, and changes their rate. Raises FFmpegError and ValueError."""

    def __init__(self, frame: av.AudioFrame, rate: int) -> None:
        try:
            self._graph = _graph(frame, rate)
        except av.FFmpegError:
            # Channels whose places are unknown, or fit no layout of speakers: all count alike.
            channels = "+".join(f"c{number}" for number in range(frame.layout.nb_channels))
            self._graph = _graph(frame, rate, ("pan", f"mono|c0<{channels}"))

    def mix(self, frame: av.AudioFrame | None) -> list[Samples]:
        """The samples [n] that are ready. None: there are no more frames."""
        self._graph.push(frame)
        ready: list[Samples] = []
        while True:
            try:
                ready.append(self._graph.pull().to_ndarray().reshape(-1))
            except (av.error.BlockingIOError, av.error.EOFError):
                return ready


def _graph(frame: av.AudioFrame, rate: int, *mixing: tuple[str, str]) -> Any:
    """libav's filters from frames like this one to mono samples. The mix is as loud as its channels, not louder."""
    graph = av.filter.Graph()
    source = graph.add(
        "abuffer",
        sample_rate=str(frame.sample_rate),
        sample_fmt=frame.format.name,
        channel_layout=frame.layout.name,
    )
    graph.link_nodes(
        source,
        *(graph.add(*each) for each in mixing),
        graph.add("aresample", rematrix_maxval="1"),
        graph.add("aformat", sample_rates=str(rate), sample_fmts="flt", channel_layouts="mono"),
        graph.add("abuffersink"),
    )
    graph.configure()
    return graph


def _start(container: InputContainer) -> float | None:
    """The start of the recording by its own clock: of its audio or its video, whichever is first."""
    starts = [
        float(stream.start_time * stream.time_base)
        for stream in container.streams
        if stream.type in ("audio", "video")
        and stream.start_time is not None
        and stream.time_base is not None
        and not stream.disposition & av.stream.Disposition.attached_pic
    ]
    return min(starts, default=None)
