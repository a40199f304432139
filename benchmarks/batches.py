"""A batch whose processes are killed on the way: outcomes, requests per second, memory, and chats beside it.

    python -m benchmarks.batches [--requests 10000] [--kills 6] [--quick]

Redis, the API and the worker run as processes of their own and are killed in turn, at equal distances. Chats are
asked one after the other, first alone, then beside the batch while nothing is killed, and until its end. The requests
of the batch are chats of two tokens with the same random model.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from tests.support.batches import CHAT, ENDED, chats, jsonl
from tests.support.checkpoints import random_qwen3
from tests.support.system import System

_MB = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--quick", action="store_true", help="1,000 requests and three kills")
    args = parser.parse_args()
    requests, kills = (1_000, 3) if args.quick else (args.requests, args.kills)
    with tempfile.TemporaryDirectory(prefix="mlxq-batches-") as scratch:
        root = Path(scratch)
        random_qwen3(root / "first", seed=1)
        system = System(root, "first")
        try:
            Run(system.start(), requests, kills).show()
        finally:
            system.stop()


class Run:
    """One batch, and what was measured on the way."""

    def __init__(self, system: System, requests: int, kills: int) -> None:
        self._system, self._requests = system, requests
        self._peak: dict[str, float] = {}
        #: seconds of chats: alone, and beside the batch
        self._alone = [self._chat() for _ in range(20)]
        self._beside: list[float] = []
        #: whether a process is being killed or starts again: such chats are not counted
        self._disturbed = threading.Event()
        self._over = threading.Event()
        self._batch = self._start()
        began = time.monotonic()
        chats = threading.Thread(target=self._chat_on)
        chats.start()
        self._kill(kills)
        self.seconds = time.monotonic() - began
        self._over.set()
        chats.join()

    def _chat(self) -> float:
        body = {
            "model": "first",
            "messages": [{"role": "user", "content": "Hello"}],
            "max_tokens": 8,
            "ignore_eos": True,
        }
        began = time.monotonic()
        self._system.http.post(CHAT, json=body).raise_for_status()
        return time.monotonic() - began

    def _chat_on(self) -> None:
        while not self._over.wait(0.1):
            calm = not self._disturbed.is_set()
            try:
                seconds = self._chat()
            except httpx.HTTPError:
                continue
            if calm and not self._disturbed.is_set():
                self._beside.append(seconds)

    def _start(self) -> str:
        data = jsonl(chats(self._requests, "first", max_tokens=2))
        files = {"file": ("requests.jsonl", data)}
        file = self._system.http.post("/v1/files", data={"purpose": "batch"}, files=files).raise_for_status()
        body = {"input_file_id": file.json()["id"], "endpoint": CHAT, "completion_window": "24h"}
        batch_id: str = self._system.http.post("/v1/batches", json=body).raise_for_status().json()["id"]
        return batch_id

    def _kill(self, kills: int) -> None:
        verbs = (self._kill_api, self._kill_worker, self._kill_redis)
        for number in range(1, kills + 1):
            self._wait(number * self._requests // (kills + 1))
            self._disturbed.set()
            verbs[number % len(verbs)]()
            self._system.wait_healthy()
            self._disturbed.clear()
        self._wait(self._requests + 1)

    def _kill_api(self) -> None:
        self._system.kill_api()
        self._system.start_api()

    def _kill_worker(self) -> None:
        self._system.kill_worker()
        self._system.start_worker()

    def _kill_redis(self) -> None:
        self._system.redis.kill()
        self._system.redis.start()

    def _wait(self, count: int) -> None:
        """Until so many have an outcome, or the batch has ended."""

        def reached() -> bool:
            self._measure()
            answer = self._system.http.get(f"/v1/batches/{self._batch}")
            if answer.status_code != 200:
                return False
            batch = answer.json()
            return batch["status"] in ENDED or batch["request_counts"]["completed"] >= count

        self._until(reached)

    def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            time.sleep(0.1)

    def _measure(self) -> None:
        pids = {"api": self._system.api, "worker": self._system.worker}
        for name, process in pids.items():
            if process is not None:
                self._note(name, process.pid)
        self._note("redis", self._system.redis.pid)

    def _note(self, name: str, pid: int) -> None:
        try:
            size = psutil.Process(pid).memory_info().rss / _MB
        except psutil.Error:
            return
        self._peak[name] = max(size, self._peak.get(name, 0.0))

    def show(self) -> None:
        batch = self._system.http.get(f"/v1/batches/{self._batch}").json()
        content = self._system.http.get(f"/v1/files/{batch['output_file_id']}/content")
        names = [json.loads(line)["custom_id"] for line in content.text.splitlines()]
        print(f"status       {batch['status']}, {batch['request_counts']}")
        print(f"answers      {len(names)} lines, {len(set(names))} requests of {self._requests}")
        print(f"seconds      {self.seconds:.1f}, {self._requests / self.seconds:.0f} requests/s")
        print("memory, MB  ", ", ".join(f"{name} {peak:.0f}" for name, peak in self._peak.items()))
        for name, seconds in (("alone", self._alone), ("beside", self._beside)):
            if seconds:
                middle, late = statistics.median(seconds), sorted(seconds)[int(0.95 * (len(seconds) - 1))]
                print(f"chat {name:7} p50 {middle:.3f} s, p95 {late:.3f} s ({len(seconds)} chats)")


if __name__ == "__main__":
    main()
