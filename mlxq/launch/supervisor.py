"""Keeps processes running: one supervisor for any number of services.

It starts each service, starts it again after a crash, sooner at first and later each time, passes a stop on to all,
kills what does not obey, and ends with a status. An exit with 0 or with 2 (a wrong setting) is no crash: it is a stop
of all. It imports little, so that it costs about 8 MB, and does not know what it runs (see `services`).

`python -m mlxq.launch.supervisor [--grace SECONDS] -- COMMAND…` supervises one command.
"""

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Container, Iterable, Sequence
from types import FrameType, TracebackType

from config import early
from mlxq.launch.child import CannotStart, Child, Command, ending
from mlxq.launch.process import WRONG_SETTING, parent_is_gone, say

_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_TICK = 1.0


class Backoff:
    """The pause before the next start: doubles from `first` to `most` seconds, anew after a healthy run."""

    def __init__(self, first: float, most: float, healthy: float = 60.0) -> None:
        self._first, self._most, self._healthy = first, most, healthy
        self._next = first

    def after(self, ran: float) -> float:
        """The pause to make after a run of `ran` seconds."""
        pause = self._first if ran >= self._healthy else self._next
        self._next = min(pause * 2, self._most)
        return pause


class SignalWaiter:
    """Lets the main thread sleep until a child ended, a stop was asked for, or the parent has gone."""

    def __init__(self) -> None:
        self.stopped = False

    def __enter__(self) -> "SignalWaiter":
        self._reader, self._writer = os.pipe()
        for end in (self._reader, self._writer):
            os.set_blocking(end, False)
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        # nohup ignores a closed terminal for all that it starts.
        ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else set()
        numbers = {*_STOPS, signal.SIGCHLD} - ignored
        self._handlers = {number: signal.signal(number, self._ring) for number in numbers}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._reader)
        os.close(self._writer)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        self.stopped = self.stopped or number in _STOPS

    def wait(self, seconds: float) -> bool:
        """Sleep until something happens, but no longer than `seconds`; True when it is time to stop."""
        self.ready(seconds, ())
        return self.stopped

    def ready(self, seconds: float, readers: Iterable[int]) -> Sequence[int]:
        """As `wait`, also until one of `readers` can be read; returns those that can."""
        found: list[int] = []
        if not self.stopped:
            found = select.select([self._reader, *readers], [], [], max(0.0, seconds))[0]
        if self._reader in found:
            found.remove(self._reader)
            os.read(self._reader, 4096)
        self.stopped = self.stopped or parent_is_gone()
        return found

    def sleep(self, seconds: float) -> bool:
        """Sleep for `seconds` unless it is time to stop, which returns True at once."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.wait(min(left, _TICK)):
                break
        return self.stopped


class Service:
    """A program to keep running, and the state of it: its child, or the time of its next start."""

    def __init__(
        self,
        name: str,
        start: Callable[[], Child],
        *,
        backoff: Backoff | None = None,
        grace: float = 15.0,
        final: Container[int] = (0, WRONG_SETTING),
        may_rest: bool = False,
        last: bool = False,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """`grace`: seconds from a stop to a kill. `final`: exit codes after which there is no other start.

        `may_rest`: an exit with 0 ends nothing but this child. `last`: it is stopped when the others have ended.
        `close` is called once, when all have ended.
        """
        self.name, self.grace, self.may_rest, self.last, self.close = name, grace, may_rest, last, close
        self._launch, self._final = start, final
        self._backoff = backoff or Backoff(first=0.5, most=30.0)
        self._began = 0.0
        self.child: Child | None = None
        #: when it is started, on the monotonic clock; None while it runs or rests
        self.due: float | None = None
        #: what it ended with after a stop
        self.code = 0

    def start(self) -> None:
        """Raises CannotStart."""
        self._began, self.due = time.monotonic(), None
        self.child = self._launch()

    def look(self) -> int | None:
        """The status of an end for good, or None. After a crash the next start is due. Raises CannotStart."""
        child, self.child = self.child, None
        code = child.poll() if child else None
        if child is None or code is None:
            self.child = child
            return None
        if code == 0 and self.may_rest:
            return None
        if code in self._final:
            return status(code)
        pause = self._backoff.after(time.monotonic() - self._began)
        say(f"{self.name} (pid {child.pid}) {ending(code)}; starting it again in {pause:g} s")
        self.due = time.monotonic() + pause
        return None


class Supervisor:
    """Runs services until one ends for good or a stop is asked for."""

    def __init__(self, services: Iterable[Service] = ()) -> None:
        self._services: list[Service] = []
        self._readers: dict[int, Callable[[], None]] = {}
        self._status: int | None = None
        for service in services:
            self.add(service)

    def add(self, service: Service, *, rests: bool = False) -> None:
        """`rests`: it is started when it is wanted."""
        service.due = None if rests else time.monotonic()
        self._services.append(service)

    def want(self, service: Service) -> None:
        """Start a service that rests; one that runs, or soon will, stays as it is."""
        if service.child is None and service.due is None:
            service.due = time.monotonic()

    def on_readable(self, descriptor: int, call: Callable[[], None]) -> None:
        self._readers[descriptor] = call

    def stop(self, code: int) -> None:
        """Make `run` stop all services and return this status."""
        self._status = code if self._status is None else self._status

    def run(self) -> int:
        """The status to exit with. Must be called on the main thread: it takes the signals."""
        with SignalWaiter() as waiter:
            try:
                while not waiter.stopped and self._status is None:
                    self._step(waiter)
                self._stop_all()
            finally:
                for service in self._services:
                    service.close()
        if self._status is not None:
            return self._status
        return next((status(each.code) for each in self._services if each.code), 0)

    def _step(self, waiter: SignalWaiter) -> None:
        now = time.monotonic()
        for service in self._services:
            try:
                if service.due is not None and service.due <= now:
                    service.start()
                code = service.look()
            except CannotStart as error:
                say(str(error))
                code = WRONG_SETTING
            if code is not None:
                return self.stop(code)
        due = [service.due - time.monotonic() for service in self._services if service.due is not None]
        for descriptor in waiter.ready(min([_TICK, *due]), self._readers):
            self._readers[descriptor]()

    def _stop_all(self) -> None:
        began = time.monotonic()
        for last in (False, True):
            left = {
                service: service.child for service in self._services if service.last == last and service.child
            }
            for child in left.values():
                with contextlib.suppress(CannotStart):
                    child.stop(time.monotonic() - began)
            deadlines = {service: time.monotonic() + service.grace for service in left}
            while left:
                for service, child in list(left.items()):
                    if self._ended(service, child):
                        del left[service]
                    elif time.monotonic() > deadlines[service]:
                        say(
                            f"{service.name} (pid {child.pid}) did not stop within {service.grace:g} s: killing it"
                        )
                        child.kill()
                        deadlines[service] = float("inf")
                time.sleep(0.01 if left else 0)

    @staticmethod
    def _ended(service: Service, child: Child) -> bool:
        try:
            code = child.poll()
        except CannotStart as error:
            say(str(error))
            code = WRONG_SETTING
        service.code = code or 0
        return code is not None


def status(code: int) -> int:
    """A shell's exit status for a child's exit code."""
    return code if code >= 0 else 128 - code


def main(arguments: list[str]) -> int:
    options, command = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
    grace = float(options[1]) if options[:1] == ["--grace"] else 15.0
    if not early.supervise():
        os.execvp(command[0], command)
    return Supervisor([Service(os.path.basename(command[-1]), lambda: Command(command), grace=grace)]).run()


if __name__ == "__main__":
    if "--" not in sys.argv or sys.argv[-1] == "--":
        sys.exit("usage: python -m mlxq.launch.supervisor [--grace SECONDS] -- COMMAND…")
    sys.exit(main(sys.argv[1:]))
