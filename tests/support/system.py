"""The whole product as its users run it: Redis, the API and the worker as processes of their own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import openai

from tests.private_redis import PrivateRedis
from tests.support.described import check_described
from tests.support.ports import free_port

REPO = Path(__file__).resolve().parents[2]


class System:
    """Start it with `start`; kill and start its parts at will; `stop` leaves nothing behind."""

    def __init__(self, models: Path, default: str, **settings: object) -> None:
        self.redis = PrivateRedis()
        self.port = free_port()
        self.log = self.redis.data_dir / "log"
        self._environment = {
            **os.environ,
            "MLXQ_DATA_DIR": str(self.redis.data_dir),
            "REDIS_URL": self.redis.url,
            "PORT": str(self.port),
            "MODEL_ROOTS": str(models),
            "LLM_MODEL": str(models / default),
            "AUTO_DOWNLOAD": "0",
            "PROMPT_CACHE_DISK_GB": "10",
            **{name: str(value) for name, value in settings.items()},
        }
        self.worker_module = "worker"
        self.api: subprocess.Popen[bytes] | None = None
        self.worker: subprocess.Popen[bytes] | None = None
        self.downloads: subprocess.Popen[bytes] | None = None
        self._others: list[subprocess.Popen[bytes]] = []
        self._clients: list[openai.OpenAI] = []
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", timeout=60, event_hooks={"response": [check_described]}
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def openai(self, **options: Any) -> openai.OpenAI:
        """A client of this system, which is closed with it."""
        client = openai.OpenAI(base_url=f"{self.url}/v1", **{"api_key": "any", "max_retries": 0, **options})
        self._clients.append(client)
        return client

    def start(self) -> "System":
        try:
            self.redis.start()
            self.start_worker()
            self.start_api()
            self.wait_healthy()
        except BaseException:
            self.stop()
            raise
        return self

    def start_api(self) -> None:
        self.api = self._spawn("api")
        self.wait_until(self._answers, "the API does not answer")

    def start_another_api(self) -> str:
        """The address of one more API process, which ends with the system."""
        port = free_port()
        self._others.append(self._spawn("api", PORT=port))
        url = f"http://127.0.0.1:{port}"
        self.wait_until(lambda: self._answers(url), "another API process does not answer")
        return url

    def start_worker(self) -> None:
        self.worker = self._spawn(self.worker_module)

    def start_downloads(self) -> None:
        """Only stories of downloads need them. One that a story has left does not take the jobs of another."""
        if self.downloads is not None:
            self.kill_downloads()
        self.downloads = self._spawn("mlxq.downloads")

    def wait_healthy(self) -> None:
        self.wait_until(lambda: self.http.get("/health").status_code == 200, "it does not get well")

    def kill_api(self) -> None:
        self._end(self.api, signal.SIGKILL)
        self.api = None

    def kill_worker(self) -> None:
        self._end(self.worker, signal.SIGKILL)
        self.worker = None

    def kill_downloads(self) -> None:
        self._end(self.downloads, signal.SIGKILL)
        self.downloads = None

    def stop_downloads(self) -> int:
        """SIGTERM, as a stop by hand; returns the exit code."""
        code = self._end(self.downloads, signal.SIGTERM)
        self.downloads = None
        return code

    def stop_worker(self) -> int:
        """SIGTERM, as a stop by hand; returns the exit code."""
        code = self._end(self.worker, signal.SIGTERM)
        self.worker = None
        return code

    def stop(self) -> None:
        for process in (self.api, self.worker, self.downloads, *self._others):
            if process is not None:
                self._end(process, signal.SIGKILL)
        for client in self._clients:
            client.close()
        self.http.close()
        self.redis.remove()

    def job(self, job_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.http.get(f"/v1/jobs/{job_id}").raise_for_status().json()
        return answer

    def wait_until(self, condition: Any, complaint: str, timeout: float = 200) -> None:
        """Look again and again for what no event tells from outside the processes."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{complaint}\n{self.log.read_text()[-4000:]}")
            time.sleep(0.01)

    def _answers(self, url: str = "") -> bool:
        try:
            self.http.get(f"{url}/")
        except httpx.TransportError:
            return False
        return True

    def _spawn(self, module: str, **settings: object) -> subprocess.Popen[bytes]:
        environment = self._environment | {name: str(value) for name, value in settings.items()}
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module], cwd=REPO, env=environment, stdout=log, stderr=log
            )

    @staticmethod
    def _end(process: subprocess.Popen[bytes] | None, signum: signal.Signals) -> int:
        assert process is not None, "it does not run"
        process.send_signal(signum)
        return process.wait(100)
