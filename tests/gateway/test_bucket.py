"""A gateway whose server keeps files in a bucket: a joined worker needs no credentials of it."""

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from jobs.blobs import Scratch, Uploads, job_blobs
from jobs.blobs.bucket import S3Blobs
from jobs.errors import BlobGone
from jobs.gate import Gate
from jobs.kinds import Category
from jobs.redis.connection import connection
from tests.gateway.test_blobs import enqueue
from tests.support.bucket import bucket_server, make_bucket
from tests.support.gateway import Gateway, session_of
from tests.support.jobs import TTL, request

DATA = secrets.token_bytes(3 << 20)


@pytest.fixture
def bucket() -> Iterator[str]:
    with bucket_server() as url:
        yield make_bucket(url, f"files-{secrets.token_hex(8)}")


def test_files_of_a_bucket_reach_a_worker_and_come_back(bucket: str, tmp_path: Path) -> None:
    store, queue = S3Blobs(bucket, Scratch(tmp_path / "server")), Category.IMAGE
    uploads = Uploads(store)
    sent, voice = uploads.put(DATA), uploads.put_shared(b"voice")
    with Gateway(BLOB_URL=bucket) as gateway, connection(gateway.redis.url) as link:
        asyncio.run(enqueue(gateway.redis.url, request(uploads=uploads, queue=queue)))
        joined = gateway.joined(gateway.key("laptop"), tmp_path / "laptop")
        worker = job_blobs(joined)
        with pytest.raises(BlobGone):
            worker.read(sent)
        gate = Gate(link, queue, f"{session_of(joined).worker}.{queue}", TTL)
        assert gate.claim([(job_id, secrets.token_hex(16)) for job_id in gate.take(1) or ()])
        assert (worker.read(sent), worker.read(voice)) == (DATA, b"voice")
        with worker.open(sent) as file:
            assert part(file, 2 << 20) == DATA[2 << 20 :][:1000]
        made = worker.put(DATA[::-1])
        assert store.read(made) == DATA[::-1]
        sending = worker.send(b"small")
        assert sending.is_stored(60)
        assert store.read(sending.id) == b"small"
        # It is named, and deleted all the same.
        store.delete(sent)
        with pytest.raises(BlobGone):
            worker.read(sent)
        assert list((gateway.data_dir / "scratch").glob("*")) == []


def part(file: BinaryIO, place: int) -> bytes:
    file.seek(place)
    return file.read(1000)
