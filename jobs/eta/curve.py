"""How many seconds something of a size takes, learned from what such things took. It knows numbers, no jobs.

Sizes fall into classes, each of which is twice as large as the one before. A class keeps the geometric means of its
last sizes and times. Between two classes the time is interpolated on logarithmic scales; beyond them it is
extrapolated. So neither a fixed cost of small sizes nor a growth faster than the size needs a formula.
"""

import math
from bisect import bisect_left
from typing import Annotated

import msgspec

#: How much a class follows its last time.
_NEWS = 0.2
#: Logarithms of the smallest and the largest size that are told apart: they bound the number of classes.
_SMALLEST, _LARGEST = -12.0, 24.0
#: Classes whose sizes differ by less than this do not tell how the time grows beyond them.
_APART = 0.5
#: How fast times grow at most, as a power of the size, beyond the sizes that were seen.
_STEEPEST = 1.5


#: A logarithm that machines may tell: of no number that is too large to be computed with.
Logarithm = Annotated[float, msgspec.Meta(ge=-64, le=64)]


class Point(msgspec.Struct, array_like=True):
    """Logarithms of a size and of its seconds, and how many times it was seen."""

    size: Logarithm
    seconds: Logarithm
    seen: Annotated[int, msgspec.Meta(ge=1, le=1000)]


class Curve(msgspec.Struct, omit_defaults=True):
    """Seconds by size."""

    points: dict[int, Point] = {}

    def learn(self, size: float, seconds: float) -> None:
        """Something of this size took so many seconds."""
        if not (size > 0 and seconds > 0):
            return
        x, y = min(max(math.log(size), _SMALLEST), _LARGEST), math.log(seconds)
        place = math.floor(x / math.log(2))
        point = self.points.get(place)
        if point is None:
            self.points[place] = Point(x, y, 1)
            return
        news = max(_NEWS, 1 / (point.seen + 1))
        point.size += news * (x - point.size)
        point.seconds += news * (y - point.seconds)
        point.seen = min(point.seen + 1, 1000)

    def at(self, size: float, slope: float = 1.0, steepest: float = _STEEPEST) -> float | None:
        """Seconds for this size; None while nothing is known.

        `slope`: how they grow where that was not seen, and `steepest` the most beyond what was seen.
        """
        if not self.points or size <= 0:
            return None
        x, near = math.log(size), 0.0
        points = sorted(self.points.values(), key=lambda point: point.size)
        place = bisect_left(points, x, key=lambda point: point.size)
        if place == 0:
            nearest = points[0]
            grows = min(_growth(points[:2], slope), slope)
        elif place == len(points):
            nearest = points[-1]
            growth = _growth(points[-2:], slope)
            grows = min(max(growth, slope), steepest)
            if growth < slope and len(points) > 1:
                # As far as it was seen that they grow less, they do so further on, and no farther.
                near = min(x - nearest.size, nearest.size - points[-2].size)
                near *= growth - grows
        else:
            nearest = points[place - 1]
            grows = _growth(points[place - 1 : place + 1], slope, apart=1e-6)
        return math.exp(min(nearest.seconds + grows * (x - nearest.size) + near, 300.0))

    def usual(self) -> float | None:
        """Seconds that the last ones took, whatever their size; None while nothing is known."""
        seen = sum(point.seen for point in self.points.values())
        if not seen:
            return None
        return math.exp(sum(point.seen * point.seconds for point in self.points.values()) / seen)


def _growth(points: list[Point], slope: float, apart: float = _APART) -> float:
    """How the time grows between two classes, as a power of the size: never less than not at all."""
    if len(points) < 2 or points[1].size - points[0].size < apart:
        return slope
    return max(0.0, (points[1].seconds - points[0].seconds) / (points[1].size - points[0].size))
