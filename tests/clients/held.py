"""A system whose worker stands still and whose queue is full, until it is let go."""

import signal

from tests.support.standing import stand_still
from tests.support.system import System


class Held:
    """Use as a context manager."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._jobs: list[str] = []

    def __enter__(self) -> "Held":
        assert self._system.worker is not None
        stand_still(self._system.worker)
        body = {"model": "first", "messages": [{"role": "user", "content": "wait"}], "max_tokens": 1}
        while True:
            # A taker that waits in Redis still gets one job; the next one stays in the queue.
            answer = self._system.http.post(
                "/v1/chat/completions", json=body, headers={"Prefer": "respond-async"}
            )
            if answer.status_code == 429:
                return self
            self._jobs.append(answer.raise_for_status().json()["id"])

    def let_go(self) -> None:
        """The worker goes on, and the queue is empty again."""
        if not self._jobs:
            return
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            self._system.http.post(f"/v1/jobs/{job}/cancel").raise_for_status()
        assert self._system.worker is not None
        self._system.worker.send_signal(signal.SIGCONT)

    def __exit__(self, *_: object) -> None:
        self.let_go()
        self._system.wait_healthy()
