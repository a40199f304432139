"""Where the moments of a recording's samples lie in its own time.

The sound of a film may begin late and may leave gaps. Silence stands for them in the samples, so that words come as
much later as they are said. A gap of hours takes little silence: the time goes on behind it all the same.
"""

from bisect import bisect_right

#: Seconds by which times may differ: containers round them, and clocks drift.
_TOLERANCE = 0.1
#: Seconds of silence that stand for a gap of any length: enough to part what is said before it and behind it. In
#: more of it models hear words.
_LONGEST_SILENCE = 5.0
#: Seconds after which a gap is none: the clock was set anew. So it was when it goes back further than sound overlaps,
#: or to where it began. A clock of 26.5 hours, as broadcasts have it, seems to go forward then.
_LONGEST_GAP, _LONGEST_BROADCAST_GAP = 30 * 3600.0, 3600.0
_LONGEST_OVERLAP, _BEGINNING = 10.0, 0.5
#: Seconds of the shortest silence in which no word can begin or end.
_SILENCE = 0.5


class Timeline:
    """Takes in the times of frames, and tells those of samples. All are seconds."""

    def __init__(self) -> None:
        #: samples so far, and from which of them on another moment of the recording follows
        self._heard = 0.0
        self._heards, self._times = [0.0], [0.0]
        #: where silence stands for gaps, in order
        self._silences: list[tuple[float, float]] = []
        self._offset = 0.0
        self._first: float | None = None
        self._longest_gap = _LONGEST_GAP

    def begin(self, start: float | None, *, broadcast: bool = False) -> None:
        """A recording begins, or the next one in a file, whose clock says `start`. None: its first frame's time."""
        self._first = start
        self._longest_gap = _LONGEST_BROADCAST_GAP if broadcast else _LONGEST_GAP
        if start is not None:
            self._offset = self._now - start

    def add(self, time: float | None, seconds: float) -> float:
        """Take in a frame of so many seconds that begins at `time`. Returns how many seconds of silence have to come
        before it, or, when less than 0, how many of what follows were there before.
        """
        shift = 0.0 if time is None else self._shift(time)
        if shift > 0:
            silence = min(shift, _LONGEST_SILENCE)
            if shift > silence:
                later = self._now + shift - silence / 2
                self._heards.append(self._heard + silence / 2)
                self._times.append(later)
            if silence >= _SILENCE:
                self._silences.append((self._heard, self._heard + silence))
            shift = silence
        self._heard += shift + seconds
        return shift

    def time(self, heard: float) -> float:
        """The recording's own time after so many seconds of samples."""
        place = max(0, bisect_right(self._heards, heard) - 1)
        return self._times[place] + heard - self._heards[place]

    def span(self, start: float, end: float) -> tuple[float, float]:
        """The recording's own times of something that was said in these seconds of the samples: not in silence."""
        before = bisect_right(self._silences, (start, float("inf"))) - 1
        if before >= 0 and start < (over := self._silences[before][1]) < end:
            start = over
        before = bisect_right(self._silences, (end, float("inf"))) - 1
        if before >= 0 and start < (begin := self._silences[before][0]) and end <= self._silences[before][1]:
            end = begin
        return self.time(start), self.time(end)

    @property
    def _now(self) -> float:
        return self._times[-1] + self._heard - self._heards[-1]

    def _shift(self, time: float) -> float:
        """How much later than the last frame's end this time is."""
        if self._first is None:
            self._first, self._offset = time, self._now - time
        shift = time + self._offset - self._now
        if abs(shift) < _TOLERANCE:
            return 0.0
        again = shift < 0 and time <= (self._first or 0.0) + _BEGINNING
        if again or not -_LONGEST_OVERLAP <= shift <= self._longest_gap:
            self._offset -= shift
            return 0.0
        return shift
