"""Writes pieces of cached prompts on a thread of its own, one after the other.

That holds up neither the model's thread nor the GPU. This module does not know what is worth writing.
"""

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass

from worker.engines.llm.prompt_cache.disk_files import PieceFiles
from worker.engines.llm.prompt_cache.disk_format import save
from worker.engines.llm.prompt_cache.disk_layers import Piece
from worker.engines.llm.prompt_cache.disk_pieces import Key

log = logging.getLogger(__name__)

#: Bytes that may wait to be written: their arrays stay in memory until then.
MOST_WAITING = 1 << 30
#: Seconds without writing after an error of the disk.
_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Work:
    """A file to write. `replaces`: a file that is not needed when this one is written."""

    key: Key
    piece: Piece
    replaces: Key | None = None

    @property
    def nbytes(self) -> int:
        return self.piece.nbytes


class Writer:
    """Starts its thread with the first work. Any thread may call it."""

    def __init__(self, files: PieceFiles) -> None:
        self._files = files
        self._changed = threading.Condition()
        self._waiting: deque[Work | list[Key]] = deque()
        self._keys: set[Key] = set()
        self._nbytes = 0
        self._busy = False
        self._closing = False
        self._paused_until = 0.0
        self._thread: threading.Thread | None = None

    def add(self, work: Work) -> bool:
        """False if too much waits already."""
        with self._changed:
            if work.key in self._keys:
                return True
            if self._nbytes and self._nbytes + work.nbytes > MOST_WAITING:
                return False
            self._keys.add(work.key)
            self._nbytes += work.nbytes
        self._put(work)
        return True

    def note_use(self, keys: list[Key]) -> None:
        """These files, of one prompt and in its order, were used."""
        self._put(keys)

    def _put(self, item: Work | list[Key]) -> None:
        with self._changed:
            if self._closing:
                return
            self._waiting.append(item)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="prompt-cache-writer", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def drop(self) -> None:
        """Forget what waits, so that its memory can be freed."""
        with self._changed:
            self._waiting.clear()
            self._keys.clear()
            self._nbytes = 0
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until everything is written. False if that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, seconds)

    def close(self, seconds: float) -> None:
        """Write for this long at most, and end the thread."""
        if not self.wait(seconds):
            log.info("not all prompts of the cache could be written in time")
        self.drop()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while (item := self._next()) is not None:
            try:
                self._do(item)
            except OSError as error:
                self._paused_until = time.monotonic() + _PAUSE
                log.warning("prompts are not written for %.0f s: %s", _PAUSE, error.strerror)
            except Exception:
                log.exception("a piece of a prompt could not be written")
            finally:
                self._done(item)
                del item

    def _next(self) -> Work | list[Key] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if not self._waiting:
                return None
            self._busy = True
            return self._waiting.popleft()

    def _done(self, item: Work | list[Key]) -> None:
        with self._changed:
            self._busy = False
            if isinstance(item, Work) and item.key in self._keys:
                self._keys.remove(item.key)
                self._nbytes -= item.nbytes
            self._changed.notify_all()

    def _do(self, item: Work | list[Key]) -> None:
        self._files.look()
        if isinstance(item, list):
            self._files.used(item)
            return
        if self._files.has(item.key) or time.monotonic() < self._paused_until:
            return
        piece = item.piece
        written = self._files.write(
            item.key, piece.nbytes, lambda path: save(path, piece.arrays, piece.about)
        )
        if written and item.replaces is not None:
            self._files.delete(item.replaces)
