"""Which executions are in an engine's hands at the moment, in files that outlive the process.

When a process has died, only these executions are suspected of it. Each engine thread has a file, which it writes by
two system calls per step. This module knows executions by their ids. It does not know Redis or engines.
"""

import contextlib
import logging
import os
import socket
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from jobs.gate import LastStep

log = logging.getLogger(__name__)

#: First byte of a file: the thread is inside the engine, or not.
_INSIDE, _OUTSIDE = b"+", b"-"
_SUFFIX = ".step"


class StepRecord:
    """The file of one engine thread. Its process is `process`, its queue `queue`."""

    def __init__(self, folder: Path, process: str, queue: str) -> None:
        self._executions: Sequence[str] | None = None
        self._path: Path | None = None
        self._file = -1
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            number = sum(1 for _ in folder.glob(f"{process}.{queue}.*{_SUFFIX}"))
            self._path = folder / f"{process}.{queue}.{number}{_SUFFIX}"
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            os.pwrite(self._file, _OUTSIDE, 0)
        except OSError as error:
            self._give_up(error)

    @contextlib.contextmanager
    def inside(self, executions: Sequence[str]) -> Iterator[None]:
        """The thread works on these executions until the block is left."""
        self._write(executions)
        try:
            yield
        finally:
            self._mark(_OUTSIDE)

    def close(self) -> None:
        """The process ends in order: nothing is suspected."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _write(self, executions: Sequence[str]) -> None:
        if executions != self._executions and self._file >= 0:
            try:
                os.pwrite(self._file, b" " + " ".join(executions).encode() + b"\n", 1)
                self._executions = list(executions)
            except OSError as error:
                self._give_up(error)
        self._mark(_INSIDE)

    def _mark(self, state: bytes) -> None:
        if self._file >= 0:
            try:
                os.pwrite(self._file, state, 0)
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Without its file every execution of the process is suspected."""
        log.warning("the steps of engines are not recorded: %s", error.strerror)
        with contextlib.suppress(OSError):
            self.close()


def last_steps(folder: Path, own: str = "") -> dict[str, LastStep]:
    """The last steps of all processes but `own`, by the names that their queues have as RQ's workers.

    A process is missing when nothing is known: its files are gone or older than the system's start, or none of its
    threads was inside an engine.
    """
    found: dict[str, dict[str, LastStep]] = defaultdict(dict)
    inside = set()
    for path in _files(folder):
        process, queue = _owner(path)
        with contextlib.suppress(OSError):
            if process == own or path.stat().st_mtime < psutil.boot_time():
                continue
            text = path.read_bytes()
            step = found[process].setdefault(f"{process}.{queue}", LastStep())
            if text.startswith(_INSIDE):
                inside.add(process)
                step.executions.update(text[1:].partition(b"\n")[0].decode("ascii", "replace").split())
    known = {}
    for process in inside:
        steps = found[process]
        company = sum(len(step.executions) for step in steps.values()) > 1
        for name, step in steps.items():
            known[name] = LastStep(step.executions, company)
    return known


def remove_left_behind(folder: Path) -> None:
    """Delete the files of processes of this machine that are gone."""
    for path in _files(folder):
        host, pid, _ = _owner(path)[0].rsplit(".", 2)
        if host == socket.gethostname() and not psutil.pid_exists(int(pid)):
            path.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    return list(folder.glob(f"*.*.*.*.*{_SUFFIX}"))


def _owner(path: Path) -> tuple[str, str]:
    """The names of the process and of the queue."""
    process, queue, _ = path.name.removesuffix(_SUFFIX).rsplit(".", 2)
    return process, queue
