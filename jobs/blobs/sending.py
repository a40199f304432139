"""A file on its way to a store: its id is known before its bytes are there.

An engine thus goes on with other work while a slow network takes what it has made.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, TimeoutError


class Sending:
    """`id` is that of the blob, which others may be told once it `is_stored`."""

    def __init__(self, blob_id: str, over: "Future[None] | None" = None) -> None:
        """`over`: ends when it is stored, or with the reason why it is not; None: it is."""
        self.id = blob_id
        self._over = over

    def is_stored(self, seconds: float = 0.0) -> bool:
        """Waits for at most so many seconds. Raises ServiceUnavailable and InsufficientStorage."""
        if self._over is not None:
            try:
                self._over.result(seconds)
            except TimeoutError:
                return False
        return True


def sent_by(store: Callable[[], object], blob_id: str) -> Sending:
    """`store` stores the blob, on a thread of its own."""
    over: Future[None] = Future()

    def send() -> None:
        try:
            store()
        except BaseException as error:
            over.set_exception(error)
        else:
            over.set_result(None)

    threading.Thread(target=send, name="sending", daemon=True).start()
    return Sending(blob_id, over)
