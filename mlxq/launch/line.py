"""`python -m mlxq.launch.line SERVICE`: one line of the Procfile, which shares a supervisor with the other lines.

The lines of one honcho meet at a socket. The first becomes the supervisor of all; each other one hands over its
service, environment and output and becomes a small shell, which waits for the status to exit with. So there is one
parent for all, and the end of any line is the end of all lines, as honcho has it. A line that was not started by
honcho, or finds no supervisor, supervises its own service.

The socket lies in a folder of the temporary one that is ours alone, named by honcho's process group.
"""

import contextlib
import fcntl
import os
import socket
import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from config import early
from mlxq.launch import services
from mlxq.launch.names import NAMES
from mlxq.launch.process import parent_is_gone
from mlxq.launch.supervisor import Service, Supervisor, status

#: What a line that has handed over its service becomes. Without a word the supervisor has died.
_WAIT = 'read -r code <&3 || code=1; exit "$code"'
#: Seconds for which a supervisor that has just begun is waited for, and in which a line has to speak.
_PATIENCE = 5.0


def place() -> Path | None:
    """Where the lines of this honcho meet; None where they cannot."""
    if early.parent_pid() is None or parent_is_gone():
        return None
    folder = early.temporary_folder() / f"mlxq-{os.getuid()}"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
            return folder / f"lines-{os.getpgid(os.getppid())}"
    return None


class Meeting:
    """The socket at which a supervisor takes services of other lines."""

    def __init__(self, path: Path, supervisor: Supervisor) -> None:
        """Raises OSError."""
        self._path, self._supervisor = path, supervisor
        self._lines: list[tuple[socket.socket, Service]] = []
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        supervisor.on_readable(self._socket.fileno(), self._accept)

    def _accept(self) -> None:
        line, _ = self._socket.accept()
        line.settimeout(_PATIENCE)
        try:
            _, output, _, _ = socket.recv_fds(line, 1, 2)
            with line.makefile("rb") as text:
                words, _, environment = text.read(int(text.readline())).partition(b"\0\0")
        except (OSError, ValueError):
            return line.close()
        variables = (os.fsdecode(each).partition("=") for each in environment.split(b"\0"))
        service = services.add(
            self._supervisor,
            [os.fsdecode(word) for word in words.split(b"\0")],
            {name: value for name, _, value in variables},
            (output[0], output[1]),
        )
        self._lines.append((line, service))
        # It says nothing more: what can be read is its end.
        self._supervisor.on_readable(line.fileno(), lambda: self._supervisor.stop(0))

    def close(self, code: int) -> None:
        """Let the lines exit: with `code` if that is an error, else each with what its service ended with."""
        for line, service in self._lines:
            with line, contextlib.suppress(OSError):
                line.sendall(b"%d\n" % (code or status(service.code)))
        self._socket.close()
        self._path.unlink(missing_ok=True)


def lead(words: Sequence[str], path: Path | None) -> int:
    """Supervise the service, and those of the lines that come. The status to exit with."""
    supervisor = Supervisor()
    services.add(supervisor, words)
    meeting: Meeting | None = None
    if path is not None:
        with contextlib.suppress(OSError):
            meeting = Meeting(path, supervisor)
    code = supervisor.run()
    if meeting is not None:
        meeting.close(code)
    return code


def join(words: Sequence[str], path: Path) -> None:
    """Hand the service over and become the shell that waits. Returns where nobody listens."""
    line = socket.socket(socket.AF_UNIX)
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            line.connect(str(path))
            break
        except OSError:
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
    environment = b"\0".join(b"%b=%b" % each for each in os.environb.items())
    text = b"\0".join(map(os.fsencode, words)) + b"\0\0" + environment
    socket.send_fds(line, [b"+"], [1, 2])
    line.sendall(b"%d\n%b" % (len(text), text))
    os.dup2(line.fileno(), 3)
    os.execv("/bin/sh", ["sh", "-c", _WAIT])


def main(arguments: Sequence[str]) -> int:
    name, *read = arguments
    words = read or services.specification(name)
    if words is None:
        again = ["-m", "mlxq.launch.line", name, *services.read_specification(name)]
        os.execv(sys.executable, [sys.executable, *again])
    path = place()
    if path is None:
        return lead(words, None)
    lock = path.with_suffix(".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        join(words, path)
        return lead(words, None)
    code = lead(words, path)
    path.with_suffix(".lock").unlink(missing_ok=True)
    return code


if __name__ == "__main__":
    if sys.argv[1:2] == [] or sys.argv[1] not in NAMES:
        sys.exit(f"usage: python -m mlxq.launch.line {'|'.join(NAMES)}")
    sys.exit(main(sys.argv[1:]))
