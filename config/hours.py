"""Hours of the week in local time, as `22-7` or `mon-fri 22:30-6, sat-sun 0-24` write them.

This module knows clocks and calendars. It does not know what the hours are for.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock_time

#: Longest text, and most ranges in it.
MOST_CHARACTERS, MOST_RANGES = 256, 32

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAY = 24 * 60
#: Seconds between two moments at which clocks may be changed: they are changed at quarters of an hour.
_QUARTER = 900
_RANGE = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))? +)?"
    r"(?P<start>[0-9]{1,2}(?::[0-9]{2})?) *- *(?P<end>[0-9]{1,2}(?::[0-9]{2})?)"
)


@dataclass(frozen=True, slots=True)
class Range:
    """Minutes of a day, from `start` up to but without `end`, on `days` (0: Monday).

    An end after 24 h (1440) lies in the next day; `days` are those of the start.
    """

    days: frozenset[int]
    start: int
    end: int

    def contains(self, day: int, minute: int) -> bool:
        today = day in self.days and self.start <= minute < self.end
        return today or ((day - 1) % 7 in self.days and minute < self.end - _DAY)


@dataclass(frozen=True, slots=True)
class Hours:
    """Ranges of the week. Where clocks are changed, what the clock shows counts."""

    ranges: tuple[Range, ...]

    @classmethod
    def parse(cls, text: str) -> "Hours":
        """Raises ValueError with what is wrong, in words for users."""
        if len(text) > MOST_CHARACTERS:
            raise ValueError(f"hours in at most {MOST_CHARACTERS} characters")
        parts = text.lower().split(",")
        if len(parts) > MOST_RANGES:
            raise ValueError(f"at most {MOST_RANGES} ranges of hours")
        return cls(tuple(_range(part.strip()) for part in parts))

    def contain(self, moment: float) -> bool:
        """Whether this Unix second lies in a range."""
        local = datetime.fromtimestamp(moment)
        minute = 60 * local.hour + local.minute
        return any(each.contains(local.weekday(), minute) for each in self.ranges)

    def next_start(self, now: float) -> float:
        """The next Unix second after `now` that lies in a range, while `now` does not."""
        return min(moment for moment in self._candidates(now) if moment > now and self.contain(moment))

    def _candidates(self, now: float) -> Iterator[float]:
        """The starts of the ranges, and the moments at which a changed clock may be in one."""
        today = datetime.fromtimestamp(now).date()
        for ahead in range(9):
            day = today + timedelta(days=ahead)
            for each in self.ranges:
                yield from _moments(day, each.start)
        first = now - now % _QUARTER + _QUARTER
        for step in range(8 * _DAY * 60 // _QUARTER):
            yield first + step * _QUARTER


def show(moment: float, now: float) -> str:
    """The local time of a moment to come: `22:00`, or `Monday 22:00` where that is a day away or more."""
    local = datetime.fromtimestamp(moment)
    text = f"{local.hour}:{local.minute:02}"
    return text if moment - now < _DAY * 60 else f"{_NAMES[local.weekday()]} {text}"


def follow_the_zone() -> None:
    """Take note of another time zone: somebody may have travelled since this process started."""
    time.tzset()


def _moments(day: date, minute: int) -> Iterator[float]:
    """The Unix seconds at which clocks show this time: two where an hour comes twice."""
    shown = datetime.combine(day, clock_time(minute // 60, minute % 60))
    for fold in (0, 1):
        yield shown.replace(fold=fold).timestamp()


def _range(text: str) -> Range:
    found = _RANGE.fullmatch(text)
    if found is None:
        raise ValueError("hours such as 22-7, 22:30-6:45, or mon-fri 20-8, sat-sun 0-24")
    start, end = _minute(found["start"]), _minute(found["end"])
    if start == _DAY:
        raise ValueError("hours that start before 24:00")
    return Range(_days(found["first"], found["last"]), start, end if end > start else end + _DAY)


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    found = 60 * int(hour) + int(minute or 0)
    if int(minute or 0) > 59 or found > _DAY:
        raise ValueError(f"times from 0:00 to 24:00, not {text}")
    return found


def _days(first: str | None, last: str | None) -> frozenset[int]:
    if first is None:
        return frozenset(range(7))
    unknown = next((each for each in (first, last) if each is not None and each not in _DAYS), None)
    if unknown is not None:
        raise ValueError(f"days from {', '.join(_DAYS)}, not {unknown}")
    begin, end = _DAYS.index(first), _DAYS.index(last or first)
    return frozenset((begin + number) % 7 for number in range((end - begin) % 7 + 1))
