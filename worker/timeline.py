"""Maps times of samples to times of the recording that they come from.

The audio of a film may begin late and have gaps. Silence replaces them in the samples, so that words keep their
distance. A long gap becomes a short silence; times after it are still right.
"""

from bisect import bisect_right

#: Seconds by which times may differ: containers round them, and clocks drift.
_TOLERANCE = 0.1
#: Seconds of silence that replace a gap of any length: enough to separate the speech before and after it. In longer
#: silence models recognise words.
_LONGEST_SILENCE = 5.0
#: Seconds above which a gap is taken for a reset of the clock, as is a step back that is longer than any overlap, or
#: to the start. A clock of 26.5 hours, as broadcasts have it, seems to step forward at its reset.
_LONGEST_GAP, _LONGEST_BROADCAST_GAP = 30 * 3600.0, 3600.0
_LONGEST_OVERLAP, _BEGINNING = 10.0, 0.5
#: Seconds of the shortest silence in which no word can begin or end.
_SILENCE = 0.5


class Timeline:
    """Takes the times of frames, and returns those of samples. All times are seconds."""

    def __init__(self) -> None:
        #: length of the samples so far, and the places where another time of the recording follows
        self._length = 0.0
        self._places, self._times = [0.0], [0.0]
        #: the silences that replace gaps, in order
        self._silences: list[tuple[float, float]] = []
        self._offset = 0.0
        self._first: float | None = None
        self._longest_gap = _LONGEST_GAP

    def begin(self, start: float | None, *, broadcast: bool = False) -> None:
        """A recording, or the next one in a file, begins at `start` by its clock. None: at its first frame."""
        self._first = start
        self._longest_gap = _LONGEST_BROADCAST_GAP if broadcast else _LONGEST_GAP
        if start is not None:
            self._offset = self._now - start

    def add(self, time: float | None, seconds: float) -> float:
        """Add a frame of this many seconds that begins at `time`. Returns the seconds of silence to insert before it,
        or, below 0, the seconds to skip because they repeat earlier audio.
        """
        shift = 0.0 if time is None else self._shift(time)
        if shift > 0:
            silence = min(shift, _LONGEST_SILENCE)
            if shift > silence:
                later = self._now + shift - silence / 2
                self._places.append(self._length + silence / 2)
                self._times.append(later)
            if silence >= _SILENCE:
                self._silences.append((self._length, self._length + silence))
            shift = silence
        self._length += shift + seconds
        return shift

    def time(self, seconds: float) -> float:
        """The recording's time after this many seconds of samples."""
        place = max(0, bisect_right(self._places, seconds) - 1)
        return self._times[place] + seconds - self._places[place]

    def span(self, start: float, end: float) -> tuple[float, float]:
        """The recording's times of speech between these seconds of the samples; inserted silence is cut off."""
        before = bisect_right(self._silences, (start, float("inf"))) - 1
        if before >= 0 and start < (over := self._silences[before][1]) < end:
            start = over
        before = bisect_right(self._silences, (end, float("inf"))) - 1
        if before >= 0 and start < (begin := self._silences[before][0]) and end <= self._silences[before][1]:
            end = begin
        return self.time(start), self.time(end)

    @property
    def _now(self) -> float:
        return self._times[-1] + self._length - self._places[-1]

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
