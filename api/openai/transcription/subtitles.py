"""Subtitles of a recording's segments: SubRip and WebVTT."""

from collections.abc import Iterator

from jobs.results import Segment

#: Seconds that a cue is seen at least: players leave out one that ends when it begins.
_SHORTEST = 0.001


def srt(segments: list[Segment]) -> str:
    cues = _cues(segments, ",")
    return "\n".join(f"{number}\n{times}\n{text}\n" for number, (times, text) in enumerate(cues, start=1))


def vtt(segments: list[Segment]) -> str:
    # In a cue these begin a tag or an entity.
    cues = [
        f"{times}\n{text.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')}\n"
        for times, text in _cues(segments, ".")
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _cues(segments: list[Segment], point: str) -> Iterator[tuple[str, str]]:
    """Times and text of each cue. A line that looks like an arrow or is empty would end the cue."""
    for segment in segments:
        lines = [line.strip() for line in segment.text.replace("-->", "->").splitlines()]
        text = "\n".join(line for line in lines if line)
        if text:
            end = segment.end
            start = max(0.0, min(segment.start, end - _SHORTEST))
            yield f"{_time(start, point)} --> {_time(end, point)}", text


def _time(seconds: float, point: str) -> str:
    """`00:01:02,345`."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d}{point}{milliseconds:03d}"
