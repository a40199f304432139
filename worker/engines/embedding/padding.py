"""Groups texts into passes of a model, each padded to its longest text."""

from collections.abc import Sequence
from itertools import accumulate


def group(lengths: Sequence[int], overhead: int) -> list[list[int]]:
    """Places in `lengths`, grouped so that padded tokens and `overhead` tokens for each group are fewest.

    Groups are of neighbours in order of length; the best cut before each length follows from the best ones before it.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    distinct = sorted(set(lengths))
    counts = dict.fromkeys(distinct, 0)
    for length in lengths:
        counts[length] += 1
    until = [0, *accumulate(counts.values())]
    costs, cuts = [0], [0]
    for end, longest in enumerate(distinct, start=1):
        cost, cut = min((costs[cut] + (until[end] - until[cut]) * longest, cut) for cut in range(end))
        costs.append(cost + overhead)
        cuts.append(cut)
    groups = []
    end = len(distinct)
    while end:
        groups.append(order[until[cuts[end]] : until[end]])
        end = cuts[end]
    return groups[::-1]
