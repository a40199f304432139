"""A job kills its worker: it is found and fails, and nobody else pays for it. Real processes, scripted engines."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import REPO, Settings
from jobs.client import JobClient
from jobs.events import Entry, Failed
from jobs.kinds import Category, Kind
from jobs.payloads import ChatPayload
from jobs.request import JobRequest, new_job_id
from tests.support.events import EventType

pytestmark = pytest.mark.anyio


class Supervised:
    """A worker that is started again when it dies. `crashes`: how often it did."""

    def __init__(self, settings: Settings, data: Path) -> None:
        self._environment = {
            **os.environ,
            "REDIS_URL": str(settings.redis_url),
            "MODEL_ROOTS": str(settings.model_roots[0]),
            "MLXQ_DATA_DIR": str(data),
            "LLM_MODEL": "first",
            "AUTO_DOWNLOAD": "0",
            "BATCH_SIZE": "8",
            "POISON_GATES": str(data),
        }
        self._gates = data
        self._gates.mkdir()
        self.crashes = 0
        self._stopped = False
        self.process = self._start()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close_gates(self, *gates: int) -> None:
        """Jobs with one of these gates stand still after their first step."""
        for gate in gates:
            (self._gates / str(gate)).touch()

    def open_gate(self, gate: int) -> None:
        (self._gates / str(gate)).unlink()

    def stop(self) -> None:
        self._stopped = True
        while self._thread.is_alive():
            # It may just have been started again.
            self.process.kill()
            self._thread.join(0.1)

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.support.poisoned_worker"]
        return subprocess.Popen(command, cwd=REPO, env=self._environment)

    def _watch(self) -> None:
        while self.process.wait() < 0 and not self._stopped:
            self.crashes += 1
            self.process = self._start()


@pytest.fixture
def worker(settings: Settings, client: JobClient, tmp_path: Path) -> Iterator[Supervised]:
    worker = Supervised(settings, tmp_path / "data")
    yield worker
    worker.stop()


async def submit(
    client: JobClient, model: str = "first", category: Category = Category.LLM, **script: int
) -> str:
    payload = ChatPayload(messages=[dict(script)])
    request = JobRequest(new_job_id(Kind.CHAT), category, Kind.CHAT, model, payload, timeout=60, stream=True)
    return (await client.enqueue(request)).job_id


async def story(client: JobClient, job_id: str, until: str | None = None) -> list[Entry]:
    told = []
    async with client.watch(job_id) as watch:
        while entry := await watch.next(60):
            told.append(entry)
            if entry.terminal or entry.type == until:
                return told
    raise AssertionError(f"{job_id} does not go on after {told[-3:]}")


def milliseconds(entry: Entry) -> int:
    return int(entry.id.partition("-")[0])


async def test_of_a_batch_of_eight_only_the_poison_fails_and_after_two_crashes(
    worker: Supervised, client: JobClient
) -> None:
    worker.close_gates(1, 2)
    picture = await submit(client, "first", Category.IMAGE, count=20, gate=1)
    await story(client, picture, until=EventType.PROGRESS)
    jobs = [await submit(client, count=40, gate=2) for _ in range(4)]
    poison = await submit(client, count=40, poison=20, gate=2)
    jobs += [await submit(client, count=40, gate=2) for _ in range(3)]
    for job_id in [*jobs, poison]:
        await story(client, job_id, until=EventType.PROGRESS)
    worker.open_gate(2)

    guilty = (await story(client, poison))[-1].event
    assert isinstance(guilty, Failed)
    worker.open_gate(1)
    ends = {job_id: (await story(client, job_id))[-1] for job_id in [*jobs, picture]}
    assert {end.type for end in ends.values()} == {EventType.COMPLETED}
    assert (guilty.error.code, guilty.error.status) == ("worker_died", 500)
    assert "crashed 2 times" in guilty.error.message
    assert worker.crashes == 2
    # Neighbours ran beside it once. The other lane was not charged, although it was killed both times.
    assert [(await client.info(job_id)).attempts for job_id in jobs] == [2] * 7
    assert (await client.info(picture)).attempts == 3


async def test_after_a_kill_by_hand_every_job_is_answered_those_that_ran_one_at_a_time(
    worker: Supervised, client: JobClient
) -> None:
    worker.close_gates(1)
    jobs = [await submit(client, count=100, gate=1) for _ in range(4)]
    for job_id in jobs:
        await story(client, job_id, until=EventType.PROGRESS)
    worker.process.send_signal(signal.SIGKILL)
    worker.open_gate(1)
    later = [await submit(client, count=100) for _ in range(3)]

    stories = {job_id: await story(client, job_id) for job_id in [*jobs, *later]}
    assert {entries[-1].type for entries in stories.values()} == {EventType.COMPLETED}
    runs = {
        job_id: (
            milliseconds([entry for entry in entries if entry.type == EventType.STARTED][-1]),
            milliseconds(entries[-1]),
        )
        for job_id, entries in stories.items()
    }
    alone = sorted(runs[job_id] for job_id in jobs)
    together = sorted(runs[job_id] for job_id in later)
    assert all(end <= start for (_, end), (start, _) in zip(alone, [*alone[1:], together[0]], strict=True))
    # The others share a batch again.
    assert together[-1][0] < together[0][1]
    assert worker.crashes == 1


async def test_a_model_that_kills_the_worker_while_it_loads_fails_the_job_that_wants_it(
    worker: Supervised, client: JobClient
) -> None:
    running = await submit(client, count=20)
    poison = await submit(client, "second", count=1)
    behind = await submit(client, count=20)

    guilty = (await story(client, poison))[-1].event
    assert isinstance(guilty, Failed)
    assert guilty.error.code == "worker_died"
    for job_id in (running, behind):
        assert (await story(client, job_id))[-1].type == EventType.COMPLETED
    assert worker.crashes == 2
