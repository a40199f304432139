"""MLX' streams for threads that come and go with a model: they are kept for the next such thread.

MLX keeps a default stream for each thread that has computed, and a thread of its own for each stream on the CPU; both
end with the process only. `mx.stream` would not do here: it makes the thread a default stream to come back to, and
sets the device of all threads. This module does not know what is computed.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import mlx.core as mx

_idle: deque[mx.Stream] = deque()


@contextmanager
def kept_stream() -> Iterator[None]:
    """What this thread computes here, it computes on a stream that no other thread uses meanwhile.

    Outside of it, the thread must not compute.
    """
    try:
        stream = _idle.pop()
    except IndexError:
        stream = mx.new_thread_unsafe_stream(mx.default_device())
    mx.set_default_stream(stream)
    try:
        yield
    finally:
        mx.synchronize(stream)
        _idle.append(stream)
