"""How many seconds a step takes in which answers are written together, learned from what such steps took.

A step takes some time whatever it has to do, some for each answer, and some for each place of their caches: answers
that are written together are padded to the longest. What such steps took is kept by classes, so that many of one kind
do not make it forget others. It knows numbers, no jobs.
"""

import math
from typing import Annotated

import msgspec

#: How much a class follows its last steps, and how many times it counts at most.
_NEWS, _MOST = 0.2, 20
#: Seconds of an answer for each of the fixed ones where that was not seen, and how much this counts.
_GROWTH, _BELIEF = 0.1, 1.0
#: So many lessons change the rates at once, later ones each so many of them.
_FIRST, _EVERY = 32, 16
#: Rounds in which the rates are found.
_ROUNDS = 200

#: A number that machines may tell.
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class Seen(msgspec.Struct, array_like=True):
    """Means of one class: answers, places of caches, the logarithm of the seconds; and how many times it was seen."""

    answers: Amount
    places: Amount
    seconds: Annotated[float, msgspec.Meta(ge=-64, le=64)]
    times: Annotated[int, msgspec.Meta(ge=1, le=1000)]


class Steps(msgspec.Struct, omit_defaults=True):
    """Seconds of a step, by the answers that are written in it, and the longest of them."""

    seen: dict[int, Seen] = {}
    fixed: Amount = 0.0
    answer: Amount = 0.0
    place: Amount = 0.0
    lessons: int = 0

    def learn(self, answers: float, places: float, seconds: float) -> None:
        """Steps of so many answers, with so many places of caches together, took so many seconds each."""
        if not (answers > 0 and places >= 0 and seconds > 0):
            return
        kind = 64 * math.floor(math.log2(answers)) + math.floor(math.log2(1 + places / answers))
        if (known := self.seen.get(kind)) is None:
            self.seen[kind] = Seen(answers, places, math.log(seconds), 1)
        else:
            news = max(_NEWS, 1 / (known.times + 1))
            known.answers += news * (answers - known.answers)
            known.places += news * (places - known.places)
            known.seconds += news * (math.log(seconds) - known.seconds)
            known.times = min(known.times + 1, 1000)
        self.lessons += 1
        if self.lessons <= _FIRST or self.lessons % _EVERY == 0:
            self._fit()

    def at(self, answers: int, longest: float) -> float | None:
        """Seconds of a step with so many answers, the longest of which has so many tokens; None: not known."""
        if not self.seen:
            return None
        return self.fixed + answers * (self.answer + longest * self.place)

    def _fit(self) -> None:
        """Find the rates that are none below zero and have the least squares of relative errors."""
        rows = []
        for each in self.seen.values():
            weight = math.sqrt(min(each.times, _MOST)) * math.exp(-each.seconds)
            rows.append(
                (weight, weight * each.answers, weight * each.places, weight * math.exp(each.seconds))
            )
        # Where all that was seen is alike, the rest is a belief.
        usual = math.exp(-sum(each.seconds for each in self.seen.values()) / len(self.seen))
        rows.append((-_GROWTH * _BELIEF * usual, _BELIEF * usual, 0.0, 0.0))
        # Each rate is found given the others, in turns (coordinate descent), in units in which they are alike.
        sizes = [math.sqrt(sum(row[at] ** 2 for row in rows)) or 1.0 for at in range(3)]
        products = [
            [sum(row[one] * row[other] for row in rows) / sizes[one] / sizes[other] for other in range(3)]
            for one in range(3)
        ]
        wanted = [sum(row[at] * row[3] for row in rows) / sizes[at] for at in range(3)]
        rates = [rate * size for rate, size in zip((self.fixed, self.answer, self.place), sizes, strict=True)]
        for _ in range(_ROUNDS):
            for at in range(3):
                others = sum(products[at][other] * rates[other] for other in range(3) if other != at)
                rates[at] = max(0.0, (wanted[at] - others) / (products[at][at] or 1.0))
        self.fixed, self.answer, self.place = (
            min(rate / size, 1e9) for rate, size in zip(rates, sizes, strict=True)
        )
