"""The files of one model's cached prompts: an index by their keys, whole files in, checked bytes out.

A file gets its name when it is whole, and its name has a checksum of its content: a file that was cut off, changed
or put there by another program is deleted when it is found. Nothing is synced, for the same reason. Files and folders
can be read by their owner only. This module does not know what is in a file.
"""

import logging
import os
import secrets
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from worker.engines.llm.prompt_cache.disk_pieces import Key, Kind, read_name
from worker.engines.llm.prompt_cache.disk_room import UNFINISHED, DiskRoom

log = logging.getLogger(__name__)

#: Seconds by which a block counts as older than the one before it: ends of prompts are deleted before beginnings,
#: without which they can't be used.
_AGE_STEP = 1e-5
#: Seconds after which the folder is looked through again for files of other processes.
_FRESH = 10.0


class PieceFiles:
    """Any thread may call it. Files that vanish are missing from then on; that is no error."""

    def __init__(self, folder: Path, room: DiskRoom) -> None:
        self._folder = folder
        self._room = room
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._names: dict[Key, tuple[str, int]] = {}
        self._state_lengths: list[int] = []
        self._looked_at = float("-inf")
        #: what was written since
        self._written: dict[Key, tuple[str, int]] = {}
        self.look()

    def look(self) -> None:
        """Read which files there are, unless that was done a moment ago. Foreign ones are deleted."""
        with self._looking:
            if time.monotonic() - self._looked_at >= _FRESH:
                self._look()

    def _look(self) -> None:
        with self._lock:
            self._looked_at = time.monotonic()
            self._written = {}
        found: dict[Key, tuple[str, int]] = {}
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.startswith(UNFINISHED) or entry.is_dir(follow_symlinks=False):
                    continue
                if (read := read_name(entry.name)) is None or entry.is_symlink():
                    self._delete(entry.name, "it is no file of this cache")
                    continue
                found[read[0]] = (entry.name, read[1])
        with self._lock:
            self._names = found | self._written
            self._order()

    def has(self, key: Key) -> bool:
        with self._lock:
            return key in self._names

    def state_lengths(self) -> list[int]:
        """The lengths of prompts whose states there are, ascending."""
        with self._lock:
            return self._state_lengths

    def read(self, key: Key) -> bytes | None:
        """The content of a file; None, and the file is deleted, if it is not what was written."""
        name, checksum = self._name(key)
        if not name:
            return None
        try:
            with open(self._folder / name, "rb") as file:
                data = file.read()
        except OSError as error:
            self._unreadable(key, error)
            return None
        if zlib.crc32(data) != checksum:
            self.reject(key, "its content has changed")
            return None
        return data

    def reject(self, key: Key, why: str) -> None:
        """Delete a file that can't be used."""
        name, _ = self._name(key)
        self._forget(key)
        if name:
            self._delete(name, why)

    def write(self, key: Key, size: int, save: Callable[[Path], None]) -> bool:
        """Have `save` write a file of about `size` bytes. False if there is no room. Raises OSError."""
        if not self._room.make(size, self._folder):
            return False
        part = self._folder / f"{UNFINISHED}{secrets.token_hex(8)}.safetensors"
        try:
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            save(part)
            checksum = zlib.crc32(part.read_bytes())
            name = key.file_name(checksum)
            part.rename(self._folder / name)
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        with self._lock:
            self._names[key] = self._written[key] = (name, checksum)
            if key.kind is Kind.STATE:
                self._order()
        return True

    def used(self, keys: Iterable[Key]) -> None:
        """These files, of one prompt and in its order, were used now."""
        now = time.time()
        for number, key in enumerate(keys):
            name, _ = self._name(key)
            if name:
                try:
                    os.utime(self._folder / name, times=(now, now - number * _AGE_STEP))
                except OSError as error:
                    self._unreadable(key, error)

    def delete(self, key: Key) -> None:
        """Delete a file that is not needed any more."""
        name, _ = self._name(key)
        self._forget(key)
        if name:
            with suppress(OSError):
                (self._folder / name).unlink()

    def _delete(self, name: str, why: str) -> None:
        log.warning("a file of the prompt cache is deleted: %s", why)
        with suppress(OSError):
            (self._folder / name).unlink()

    def _name(self, key: Key) -> tuple[str, int]:
        with self._lock:
            return self._names.get(key, ("", 0))

    def _unreadable(self, key: Key, error: OSError) -> None:
        """Where one file is gone, others are gone too, and may be written again meanwhile: look at once."""
        if not isinstance(error, FileNotFoundError):
            self._forget(key)
            return
        with self._looking:
            self._look()

    def _forget(self, key: Key) -> None:
        with self._lock:
            self._written.pop(key, None)
            if self._names.pop(key, None) is not None and key.kind is Kind.STATE:
                self._order()

    def _order(self) -> None:
        self._state_lengths = sorted({key.length for key in self._names if key.kind is Kind.STATE})
