"""Files of jobs on the worker's side: thrown away when their job has ended, and swept when nobody owns them."""

import os
import time
from pathlib import Path

import pytest
import redis

from config.settings import Settings
from jobs import keys
from jobs.blobs import SENT, BlobStore, LocalBlobs, Uploads
from jobs.client import JobClient
from jobs.gate import BEAT
from jobs.housekeeping import collect, sweep_orphans
from tests.support.jobs import request
from tests.support.lanes import Bench

pytestmark = pytest.mark.anyio


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return LocalBlobs(tmp_path / "blobs")


def make_old(blobs: BlobStore, *ids: str) -> None:
    for each in ids:
        with blobs.local(each) as path:
            os.utime(path, (time.time() - 7200,) * 2)


async def test_what_ended_jobs_throw_away_is_deleted(blobs: BlobStore, clean_redis: redis.Redis) -> None:
    ids = [blobs.put(b"x", SENT) for _ in range(3)]
    clean_redis.rpush(keys.GARBAGE, *ids[:2], "../outside", "input-of-nobody")
    assert collect(clean_redis, blobs) == 2
    assert blobs.read(ids[2]) == b"x"
    assert not clean_redis.exists(keys.GARBAGE)


async def test_files_that_no_job_owns_are_swept_and_those_of_waiting_jobs_stay(
    client: JobClient, blobs: BlobStore, clean_redis: redis.Redis
) -> None:
    uploads = Uploads(blobs)
    owned = uploads.put(b"owned")
    await client.enqueue(request(uploads=uploads))
    orphan, new, made = blobs.put(b"orphan", SENT), blobs.put(b"new", SENT), blobs.put(b"made")
    make_old(blobs, owned, orphan, made)

    assert sweep_orphans(clean_redis, blobs) == 1
    assert [blobs.read(each) for each in (owned, new, made)] == [b"owned", b"new", b"made"]

    # Age alone does not take a file from a job that waits for a day.
    assert blobs.sweep(60) == 1
    assert blobs.read(owned) == b"owned"


async def test_a_shared_file_stays_as_long_as_a_job_may_need_it(
    client: JobClient, blobs: BlobStore, clean_redis: redis.Redis
) -> None:
    uploads = Uploads(blobs)
    wanted = uploads.put_shared(b"voice")
    job = request(uploads=uploads)
    await client.enqueue(job)
    left = blobs.put_shared(b"voice of nobody")
    make_old(blobs, wanted, left)
    assert sweep_orphans(clean_redis, blobs) == 1
    assert blobs.read(wanted) == b"voice"
    # The end of its job throws away what the job alone has used.
    await client.cancel(job.id)
    assert collect(clean_redis, blobs) == 0
    assert blobs.read(wanted) == b"voice"
    assert sweep_orphans(clean_redis, blobs) == 1


async def test_a_worker_deletes_the_files_of_a_job_that_has_ended(
    settings: Settings, bench: Bench, client: JobClient
) -> None:
    blobs = LocalBlobs(settings.blob_folder)
    uploads = Uploads(blobs)
    with blobs.local(uploads.put(b"picture")) as path:
        assert path.is_file()
    job = request(model="first", payload={"count": 1}, uploads=uploads)
    await client.enqueue(job)
    assert path.is_file()
    await bench.story(job.id)
    deadline = time.monotonic() + 60 * BEAT
    while path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
