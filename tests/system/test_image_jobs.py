"""Long pictures: their worker is killed in the middle, they are cancelled in the middle; and many of them."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from mlx_vlm.models.z_image.pipeline import ZImagePipeline
from PIL import Image

from tests.support.checkpoints import random_qwen3
from tests.support.held_worker import Hold
from tests.support.image_checkpoints import random_z_image
from tests.support.stories import outcome, story
from tests.support.system import System

SIZE = "64x48"
COUNT, PICTURES_OF_A_JOB = 100, 10


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "chat", seed=1)
    random_z_image(root / "zimage", seed=1)
    return root


@pytest.fixture(scope="module")
def hold(tmp_path_factory: pytest.TempPathFactory) -> Hold:
    """Has pictures stand still in their middle."""
    return Hold(tmp_path_factory.mktemp("held") / "held")


@pytest.fixture(scope="module")
def system(models: Path, hold: Hold) -> Iterator[System]:
    running = System(models, "chat", IMAGE_MODEL="zimage", RESULT_TTL=60, HELD_BY=hold.file)
    running.worker_module = "tests.support.held_worker"
    try:
        yield running.start()
    finally:
        running.stop()


def submit(system: System, **fields: Any) -> str:
    body = {"prompt": "A fox", "size": SIZE, "seed": 5, "background": True, **fields}
    accepted = system.http.post("/v1/images/generations", json=body)
    assert accepted.status_code == 202, accepted.text
    job_id: str = accepted.json()["id"]
    return job_id


def steps(done: int) -> int:
    """Those of the engine up to this step of a picture: each has a preview but the last."""
    return 2 * done - 1


def reach(system: System, job_id: str, done: int) -> None:
    """Wait until this many steps of the job are done."""
    with httpx.stream("GET", f"{system.url}/v1/jobs/{job_id}/events", timeout=60) as response:
        for line in response.iter_lines():
            if line.startswith("data:") and f'"done":{done},' in line:
                return
    raise AssertionError(f"step {done} was never told")


def made(system: System, job_id: str) -> list[bytes]:
    ended = outcome(system, job_id)
    assert ended["status"] == "completed", ended
    return [httpx.get(image["url"]).content for image in ended["result"]["data"]]


@pytest.mark.chaos
@pytest.mark.slow
def test_killed_at_the_fifth_of_nine_steps_it_is_the_same_picture_in_the_end(
    system: System, hold: Hold, models: Path, tmp_path: Path
) -> None:
    (undisturbed,) = made(system, submit(system, previews=False))
    hold.after(steps(5))
    job_id = submit(system)
    reach(system, job_id, 5)
    system.kill_worker()
    hold.let_go()
    assert system.job(job_id)["status"] in ("in_progress", "queued")
    system.start_worker()
    assert made(system, job_id) == [undisturbed]
    events = story(system, job_id)
    types = [event.type for event in events]
    assert types.count("completed") == 1
    again = events[len(types) - types[::-1].index("reset") :]
    assert [event.data["done"] for event in again if event.type == "progress"] == list(range(1, 10))
    previews = [event.data["url"] for event in again if event.type == "preview"]
    assert len(previews) == 8
    assert all(httpx.get(url).status_code == 200 for url in previews)
    (tmp_path / "made.png").write_bytes(undisturbed)
    library: Any = ZImagePipeline(models / "zimage", evict_text_encoder=False)
    direct = library.generate_array("A fox", seed=5, steps=9, width=64, height=48)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "made.png")), np.array(direct))


def test_cancelled_between_two_steps_it_makes_room_at_once(system: System, hold: Hold) -> None:
    hold.after(steps(3))
    long = submit(system, n=10)
    next_one = submit(system, previews=False)
    reach(system, long, 3)
    system.http.post(f"/v1/jobs/{long}/cancel").raise_for_status()
    hold.let_go()
    assert outcome(system, long)["status"] == "cancelled"
    events = story(system, long)
    # The worker may be late to hear of it.
    assert max(event.data["done"] for event in events if event.type == "progress") < 90
    assert events[-1].type == "cancelled"
    assert len(made(system, next_one)) == 1
    assert [event.type for event in story(system, long)] == [event.type for event in events]


@pytest.mark.slow
def test_a_hundred_pictures_leave_nothing_behind(models: Path) -> None:
    system = System(models, "chat", IMAGE_MODEL="zimage", RESULT_TTL=2, EVENTS_TTL=1)
    try:
        system.start()
        assert system.worker is not None
        worker, sizes = psutil.Process(system.worker.pid), []
        for number in range(COUNT // PICTURES_OF_A_JOB):
            body = {
                "prompt": f"A fox {number}",
                "size": "16x16",
                "n": PICTURES_OF_A_JOB,
                "steps": 2,
                "seed": number * PICTURES_OF_A_JOB,
            }
            answer = system.http.post("/v1/images/generations", json=body, timeout=60)
            assert len({image["b64_json"] for image in answer.json()["data"]}) == PICTURES_OF_A_JOB
            sizes.append(worker.memory_info().rss)
        # What is made once is made by then.
        assert sizes[-1] - sizes[4] < 8e6, [round(size / 1e6, 1) for size in sizes]
        blobs = system.redis.data_dir / "blobs"
        files = list(blobs.iterdir())
        assert len(files) >= PICTURES_OF_A_JOB
        # Files are kept for hours, whatever the results are: these are old then.
        for file in files:
            os.utime(file, (time.time() - 7 * 3600,) * 2)
        system.wait_until(lambda: not any(blobs.iterdir()), "files are left", timeout=30)
    finally:
        system.stop()
