"""A program that a test runs and watches: its lines, its status, its end."""

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time

import psutil


class Program:
    """Runs in a process group of its own, as honcho runs each line of the Procfile."""

    def __init__(self, command: list[str], environment: dict[str, str], cwd: str | None = None) -> None:
        # It hears of a hang-up also where the tests themselves run under nohup.
        hang_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        signal.signal(signal.SIGHUP, hang_up)
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._seen: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as output:
            for line in output:
                self._lines.put(line.rstrip())
        self._lines.put(None)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def said(self) -> list[str]:
        """The lines up to the last one that was asked for."""
        return self._seen

    def line(self, part: str) -> str:
        """The next line that contains `part`. Fails when the output ends without it."""
        while (line := self._lines.get(timeout=60)) is not None:
            self._seen.append(line)
            if part in line:
                return line
        raise AssertionError(f"no line with {part!r} in {self._seen}")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its status. Fails with what it said and what still runs if it does not end."""
        try:
            return self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            while not self._lines.empty():
                self._seen.append(str(self._lines.get()))
            running = [(process.status(), process.cmdline()) for process in self.tree()]
            raise AssertionError(f"it still runs: {running}; it said: {self._seen}") from None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.send(number)
        return self.wait()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def tree(self) -> list[psutil.Process]:
        """It and all that it started."""
        try:
            program = psutil.Process(self.pid)
            return [program, *program.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill_tree(self) -> None:
        for process in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        self._reader.join(timeout=60)


def is_gone(pid: int) -> bool:
    """Has it ended, whether or not its parent has asked for its status?"""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 60
    while not is_gone(pid):
        assert time.monotonic() < deadline, f"{pid} still runs"
        time.sleep(0.02)
