"""A system whose worker stands still when a story wants it, and what its agents have sent."""

import re
import subprocess
from pathlib import Path
from typing import Any

from tests.support.held_worker import Hold
from tests.support.system import System

_MODULES = {"api": "tests.agents.quick_api", "worker": "tests.support.held_worker"}
#: Status and job of each request for a text: its line is written when it ends.
_SENT = re.compile(r"POST /v1/(?:messages|responses|chat/completions) (\S+) \S+ id=(\S+)")


class HeldSystem(System):
    """One chat runs at a time, and two may wait."""

    def __init__(self, folder: Path) -> None:
        self._hold = Hold(folder / "held")
        self._read = 0
        super().__init__(
            folder / "models", "actor", HELD_BY=self._hold.file, BATCH_SIZE=1, QUEUE_LIMIT=2, ACCESS_LOG="all"
        )

    def hold(self, steps: int = 0) -> None:
        """Chats stand still after so many steps."""
        self._hold.after(steps)

    def let_go(self) -> None:
        self._hold.let_go()

    def chat(self) -> str:
        """A chat of somebody else; its job's id."""
        body = {"model": "default", "messages": [{"role": "user", "content": "Hi"}]}
        answer = self.http.post("/v1/chat/completions", json=body, headers={"prefer": "respond-async"})
        job_id: str = answer.raise_for_status().json()["id"]
        return job_id

    def jobs(self, status: str) -> list[dict[str, Any]]:
        answer = self.http.get("/v1/jobs", params={"queue": "llm", "status": status, "limit": 100})
        found: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
        return found

    def wait_for(self, status: str, others: int = 0) -> None:
        """A chat of an agent has this status, beside so many of others."""
        self.wait_until(lambda: len(self.jobs(status)) > others, f"none is {status}")

    def status(self, model: str) -> str:
        answer: str = self.http.get(f"/v1/models/{model}").raise_for_status().json()["status"]
        return answer

    def has_sent(self, requests: int = 0, job: str = "") -> list[tuple[str, str]]:
        """As `sent`, once so many have ended, or that of a job: an agent may end before a line is written."""
        found: list[tuple[str, str]] = []

        def all_there() -> bool:
            found.extend(self.sent())
            return len(found) >= requests and (not job or ("200", job) in found)

        self.wait_until(all_there, "its requests have not ended")
        return found

    def sent(self) -> list[tuple[str, str]]:
        """Status and job of the requests that have ended since the last call: one that came again is there twice."""
        new = self.log.read_bytes()[self._read :]
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        return _SENT.findall(whole.decode())

    def tidy(self) -> None:
        """For the next story."""
        self.let_go()
        if self.worker is None:
            self.start_worker()
        for status in ("queued", "in_progress"):
            for job in self.jobs(status):
                self.http.post(f"/v1/jobs/{job['id']}/cancel")
        self.wait_until(lambda: not self.jobs("queued") + self.jobs("in_progress"), "jobs are left")
        self.wait_healthy()
        self.sent()

    def _spawn(self, module: str, **settings: object) -> subprocess.Popen[bytes]:
        return super()._spawn(_MODULES.get(module, module), **settings)
