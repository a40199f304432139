"""Sends shots at a running server and judges the answers. It knows HTTP; it does not know what was asked.

Right is: an answer to every request, no status from 500 on but those that docs/errors.md names, errors in the shape
of docs/errors.md, a good request answered after every 50, the same processes at the end, and memory that is flat.

How long an answer may take depends on what else the machine does: what takes long is held against a good request that
is sent then.
"""

import http.client
import json
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil

from tests.fuzz.bodies import GOOD_CHAT
from tests.fuzz.shots import Shot, draw, shown

#: What docs/errors.md says that this server or a service behind it can't do now: no defect.
DOCUMENTED = {501, 503, 504, 507}
#: Seconds without a byte after which a good request is sent, how many times as long as that one an answer may take,
#: and the most that any may.
_TIMEOUT, _TIMES, _LONGEST = 60, 20, 900.0
#: A good request after as many.
_EACH = 50


@dataclass(slots=True)
class Report:
    """What a run has shown. `memory`: MB of each process, sampled as the run went on, by process id."""

    sent: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    memory: dict[int, list[float]] = field(default_factory=dict)

    def growth(self, pid: int) -> float:
        """MB that a line through the second half of the samples rises by."""
        half = self.memory[pid][len(self.memory[pid]) // 2 :]
        if len(half) < 2:
            return 0.0
        middle = (len(half) - 1) / 2
        mean = sum(half) / len(half)
        over = sum((place - middle) * (sample - mean) for place, sample in enumerate(half))
        return over / sum((place - middle) ** 2 for place in range(len(half))) * (len(half) - 1)


class Fuzzer:
    """`pids`: the server's processes, which must be the same at the end."""

    def __init__(self, url: str, seed: int, pids: Iterable[int], threads: int = 4) -> None:
        self._address = httpx.URL(url)
        self._seed = seed
        self._threads = threads
        self._processes = [psutil.Process(pid) for pid in pids]
        self._lock = threading.Lock()
        self.report = Report(memory={process.pid: [] for process in self._processes})

    def run(self, numbers: Iterable[int], told: Callable[[str], None] = lambda _: None) -> Report:
        """Send the shots with these numbers, some at a time."""
        waiting = iter(numbers)

        def work() -> None:
            while True:
                with self._lock:
                    number = next(waiting, None)
                if number is None:
                    return
                self._fire(number)
                if number % _EACH == _EACH - 1:
                    self._look_around(told)

        threads = [threading.Thread(target=work) for _ in range(self._threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for process in self._processes:
            if not process.is_running():
                self.report.faults.append(f"process {process.pid} has ended")
        return self.report

    def _fire(self, number: int) -> None:
        shot = draw(self._seed, number)
        status, fault = self._answer(shot)
        with self._lock:
            self.report.sent += 1
            self.report.statuses[status] += 1
            if fault:
                self.report.faults.append(f"{number}: {fault}: {shown(shot)}")

    def _answer(self, shot: Shot) -> tuple[int, str]:
        """The status, 0 where there is none, and what is wrong with the answer."""
        try:
            with socket.create_connection((self._address.host, self._address.port or 80), _LONGEST) as link:
                link.sendall(shot.data)
                self._wait_for(link)
                response = http.client.HTTPResponse(link, method=shot.method)
                response.begin()
                if response.status == 101:
                    return 101, ""
                body = response.read()
        except (OSError, http.client.HTTPException, httpx.TransportError) as error:
            # What is no HTTP may be answered by a closed connection.
            return 0, "" if shot.malformed else f"no answer ({error!r})"
        status = response.status
        if status >= 500 and status not in DOCUMENTED:
            return status, f"status {status}, {body[:300]!r}"
        if status >= 400 and shot.method != "HEAD" and not shot.malformed and not _is_error(shot.path, body):
            return status, f"status {status} without the shape of an error, {body[:300]!r}"
        return status, ""

    def _wait_for(self, link: socket.socket) -> None:
        """Wait for an answer to begin. Raises TimeoutError where good requests are answered far sooner."""
        if select.select([link], [], [], _TIMEOUT)[0]:
            return
        began = time.monotonic()
        self._good()
        patience = _TIMES * (time.monotonic() - began)
        if not select.select([link], [], [], min(patience, _LONGEST))[0]:
            raise TimeoutError(
                f"none in {_TIMEOUT + patience:.0f} s, while a good request took {patience / _TIMES:.1f}"
            )

    def _good(self) -> httpx.Response:
        return httpx.post(self._address.join("/v1/chat/completions"), json=GOOD_CHAT, timeout=_LONGEST)

    def _health(self) -> httpx.Response:
        """Where the processes were late to tell of themselves, it is asked again when a good request was answered."""
        health = httpx.get(self._address.join("/health"), timeout=_LONGEST)
        if health.status_code != 200 and self._good().status_code == 200:
            health = httpx.get(self._address.join("/health"), timeout=_LONGEST)
        return health

    def _look_around(self, told: Callable[[str], None]) -> None:
        """A good request, and what the processes weigh."""
        try:
            good, health = self._good(), self._health()
        except httpx.TransportError as error:
            with self._lock:
                self.report.faults.append(f"a good request after {self.report.sent}: no answer ({error!r})")
            return
        with self._lock:
            report = self.report
            if good.status_code != 200 or "Paris" not in good.text:
                report.faults.append(
                    f"a good request after {report.sent}: {good.status_code} {good.text[:300]}"
                )
            if health.status_code != 200:
                report.faults.append(f"health after {report.sent}: {health.status_code} {health.text[:300]}")
            for process in self._processes:
                if process.is_running():
                    report.memory[process.pid].append(process.memory_info().rss / 1e6)
            sizes = ", ".join(f"{samples[-1]:.0f}" for samples in report.memory.values() if samples)
            told(f"{report.sent} sent, {len(report.faults)} faults, {sizes} MB, {dict(report.statuses)}")


def _is_error(path: str, body: bytes) -> bool:
    """Whether it has the shape of an error in the dialect of its address."""
    shape = next((shape for start, shape in _SHAPES if path.startswith(start)), _is_shared)
    try:
        return shape(json.loads(body))
    except (ValueError, KeyError, TypeError):
        return False


def _is_openais(found: Any) -> bool:
    error = found["error"]
    return (
        isinstance(error["message"], str)
        and bool(error["message"])
        and isinstance(error["type"], str)
        and "param" in error
        and "code" in error
        and isinstance(found["detail"], str)
    )


def _is_anthropics(found: Any) -> bool:
    error = found["error"]
    said = isinstance(error["message"], str) and bool(error["message"]) and isinstance(error["type"], str)
    return said and found["type"] == "error" and "request_id" in found


def _is_shared(found: Any) -> bool:
    """Anthropic's clients have some of OpenAI's addresses, or miss all, and have a header that tells."""
    return _is_anthropics(found) if found.get("type") == "error" else _is_openais(found)


def _is_ollamas(found: Any) -> bool:
    return list(found) == ["error"] and isinstance(found["error"], str) and bool(found["error"])


def _is_llamas(found: Any) -> bool:
    error = found["error"]
    return isinstance(error["code"], int) and bool(error["message"]) and isinstance(error["type"], str)


def _is_rpc(found: Any) -> bool:
    error = found["error"]
    return found["jsonrpc"] == "2.0" and isinstance(error["code"], int) and isinstance(error["message"], str)


def _is_rerankers(found: Any) -> bool:
    return bool(found["error"]) and found["error"] == found["message"] == found["detail"]


#: The first beginning of an address that fits counts; all others are OpenAI's, some of them shared.
_SHAPES = (
    *((path, _is_anthropics) for path in ("/v1/messages", "/messages")),
    *((path, _is_openais) for path in ("/api/v0/", "/api/v1/")),
    ("/api/", _is_ollamas),
    *((path, _is_rerankers) for path in ("/v1/rerank", "/rerank", "/v2/rerank")),
    ("/mcp", _is_rpc),
    ("/completions", _is_openais),
    *((path, _is_llamas) for path in ("/completion", "/tokenize", "/detokenize", "/apply-template")),
    *((path, _is_llamas) for path in ("/props", "/slots")),
)
