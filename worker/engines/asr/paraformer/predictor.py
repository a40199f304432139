"""Which frames make which token: continuous integrate-and-fire (Dong and Xu 2020), on the host in float64.

Every frame has a weight. Each time the running sum passes a whole number a token is complete. This module knows numpy
only.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from worker.engines.asr.paraformer.frontend import FEATURE_SECONDS

Floats = npt.NDArray[Any]

#: The weight of one more, empty frame: it completes a last token that is nearly there.
TAIL = np.float32(0.45)
#: A token begins this many frames before the one that completes it, and lasts until the next one begins, but no
#: longer than this many frames: what follows is a pause. FunASR reckons so (ts_prediction_lfr6_standard).
_AHEAD, _LONGEST = 1.5, 12


def integrate(weights: Floats) -> Floats:
    """Weights of the frames [frames] → shares [tokens, frames], each row of which sums up to 1."""
    after = _sums(weights)
    tokens = np.arange(int(after[-1]))[:, None]
    before = np.concatenate([[0.0], after[:-1]])
    shares: Floats = np.minimum(after, tokens + 1) - np.maximum(before, tokens)
    # The empty frame adds nothing to a token but the weight that it lacked.
    return np.maximum(shares, 0)[:, :-1]


def times(weights: Floats, seconds: float) -> list[tuple[float, float]]:
    """Coarse start and end of each token, in seconds, in a recording of `seconds`."""
    sums = _sums(weights)
    complete = np.searchsorted(sums, np.arange(1, int(sums[-1]) + 1))
    starts = np.maximum(complete - _AHEAD, 0)
    ends = np.minimum(np.append(starts[1:], np.inf), starts + _LONGEST)
    spans = np.minimum(np.stack([starts, ends], axis=1) * FEATURE_SECONDS, seconds)
    return [(float(start), float(end)) for start, end in spans]


def _sums(weights: Floats) -> Floats:
    """Running sums of the frames' weights, with the empty frame's."""
    return np.cumsum(np.append(weights, TAIL), dtype=np.float64)
