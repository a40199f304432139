"""Files of jobs on their way to a worker of another machine and back: what breaks, what lies, and who sees what."""

import asyncio
import contextlib
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from jobs.blobs import MADE, SENT, STORED, LocalBlobs, Scratch, Uploads, job_blobs
from jobs.blobs.door import HttpBlobs
from jobs.blobs.ids import new_id
from jobs.client import JobClient
from jobs.errors import BlobGone, EngineFailure, InsufficientStorage, MlxqError, ServiceUnavailable
from jobs.gate import Ending, Gate
from jobs.kinds import Category
from jobs.redis.connection import connection
from jobs.request import JobRequest
from tests.support.blob_door import ACCOUNT, BlobDoor
from tests.support.gateway import Gateway, session_of
from tests.support.jobs import TTL, request
from tests.support.link import Link

#: The hash of no bytes here.
OTHER = "0" * 64
DATA = bytes(range(256)) * 8192


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    return Scratch(tmp_path / "scratch")


@pytest.fixture
def local(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path / "blobs")


@pytest.fixture
def door(local: LocalBlobs) -> Iterator[BlobDoor]:
    with BlobDoor(local, set()) as door:
        yield door


@pytest.fixture
def link(door: BlobDoor) -> Iterator[Link]:
    with Link(door.port) as link:
        yield link


@pytest.fixture
def joined(link: Link, scratch: Scratch) -> HttpBlobs:
    """The blobs as a worker of another machine has them."""
    return HttpBlobs(f"http://127.0.0.1:{link.port}", ACCOUNT, scratch, patience=30)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def until(condition: Callable[[], bool]) -> None:
    """Nothing tells of it."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_transfer_goes_on_where_it_was_interrupted(
    local: LocalBlobs, joined: HttpBlobs, door: BlobDoor, link: Link, tmp_path: Path
) -> None:
    """The gateway is started again in the middle of it, at another port even."""

    def restart() -> None:
        door.restart()
        link.target = door.port

    blob_id = local.put(DATA, SENT)
    door.inputs.add(blob_id)
    link.cut_after("received", 700_000, restart)
    assert joined.read(blob_id) == DATA
    assert len(door.asked) == 2
    start = int(door.asked[1].removeprefix("GET bytes=").removesuffix("-"))
    assert 0 < start <= 700_000

    link.cut_after("sent", 700_000, restart)
    made = joined.put(DATA)
    assert local.read(made) == DATA
    # Nothing is left of the first attempt.
    until(lambda: files(tmp_path / "blobs") == sorted([blob_id, made]))


def test_what_was_cut_off_for_good_leaves_nothing(link: Link, scratch: Scratch, tmp_path: Path) -> None:
    def go_away() -> None:
        link.target = 1

    hurried = HttpBlobs(f"http://127.0.0.1:{link.port}", ACCOUNT, scratch, patience=0.2)
    link.cut_after("sent", 300_000, go_away)
    with pytest.raises(ServiceUnavailable):
        hurried.put(DATA)
    until(lambda: files(tmp_path / "blobs") == [])


def test_a_link_may_be_slow_as_long_as_it_brings_something(
    local: LocalBlobs, joined: HttpBlobs, door: BlobDoor, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock on which each look takes twenty seconds, where thirty are the patience."""
    monkeypatch.setattr("jobs.blobs.door.time", Clock(20))
    blob_id = local.put(DATA, SENT)
    door.inputs.add(blob_id)
    link.cut_after("received", 1_500_000)
    assert joined.read(blob_id) == DATA
    # A step of an engine waits for what is sent.
    with pytest.raises(ServiceUnavailable, match="too slow"):
        joined.put(DATA)


class Clock:
    def __init__(self, step: float) -> None:
        self._now, self._step = 0.0, step

    def monotonic(self) -> float:
        self._now += self._step
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


@pytest.mark.parametrize("length", [1000, 3], ids=["more", "less"])
def test_a_length_that_is_a_lie_is_no_other_file(length: int, scratch: Scratch) -> None:
    """More is announced than comes, or less than there is."""
    answer = f"HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\nabcdef".encode()
    with saying(answer) as port:
        blobs = HttpBlobs(f"http://127.0.0.1:{port}", ACCOUNT, scratch, patience=0.2)
        with pytest.raises(ServiceUnavailable):
            blobs.read(new_id(SENT, OTHER))


def test_a_door_that_fails_is_asked_again_and_one_that_refuses_is_not(scratch: Scratch) -> None:
    body = b'{"error": {"message": "no", "code": "forbidden", "status": 403}}'
    for status, patience in ((503, 0.2), (403, 60)):
        answer = f"HTTP/1.1 {status} No\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
        with saying(answer + body) as port:
            blobs = HttpBlobs(f"http://127.0.0.1:{port}", ACCOUNT, scratch, patience=patience)
            for transfer in (partial(blobs.read, new_id(SENT, OTHER)), partial(blobs.put, b"x")):
                with pytest.raises(MlxqError) as refused:
                    transfer()
                assert isinstance(refused.value, ServiceUnavailable) == (status == 503)


@contextlib.contextmanager
def saying(answer: bytes) -> Iterator[int]:
    """A server that answers each request with these bytes, and closes. Its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client, contextlib.suppress(OSError):
                        read_request(client)
                        client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join(60)


def read_request(client: socket.socket) -> None:
    """All of it: what is not read when the connection is closed would reset it."""
    data = b""
    while b"\r\n\r\n" not in data and (more := client.recv(1 << 16)):
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length[1]) and (more := client.recv(1 << 16)):
        body += more


def test_a_worker_that_lies_about_its_file_stores_nothing(door: BlobDoor, tmp_path: Path) -> None:
    url, right = f"http://127.0.0.1:{door.port}/blobs", new_id(MADE, OTHER)
    with httpx.Client(auth=ACCOUNT, timeout=30) as http:
        wrong_hash = http.put(f"{url}/{right}", content=b"other bytes")
        assert (wrong_hash.status_code, wrong_hash.json()["error"]["code"]) == (400, "wrong_hash")
        for blob_id in (new_id(SENT, OTHER), new_id(STORED, OTHER), right[:-65], f"shared-{OTHER}", "x"):
            refused = http.put(f"{url}/{blob_id}", content=b"x")
            assert (refused.status_code, refused.json()["error"]["code"]) == (400, "wrong_id"), blob_id
        assert http.put(f"{url}/..%2Fx", content=b"x").status_code == 404
        no_length = http.put(f"{url}/{right}", content=iter([b"x"]))
        assert (no_length.status_code, no_length.json()["error"]["code"]) == (411, "no_length")
    # The rest of what was announced never comes.
    with putting(door.port, right, 1000) as raw:
        raw.sendall(bytes(500))
    with putting(door.port, right, 2 << 30) as raw:
        assert b" 413 " in raw.recv(1 << 16).split(b"\r\n")[0]
    until(lambda: files(tmp_path / "blobs") == [])


def putting(port: int, blob_id: str, length: int) -> socket.socket:
    """A connection on which a file of that length is about to come."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=60)
    lines = (
        f"PUT /blobs/{blob_id} HTTP/1.1",
        "host: x",
        "authorization: x",
        f"content-length: {length}",
        "",
        "",
    )
    raw.sendall("\r\n".join(lines).encode())
    return raw


def test_a_worker_sees_the_files_of_its_own_jobs_only(
    local: LocalBlobs, joined: HttpBlobs, door: BlobDoor
) -> None:
    mine, other, made = local.put(b"mine", SENT), local.put(b"other", SENT), joined.put(b"made")
    shared = local.put_shared(b"a voice")
    door.inputs |= {mine, shared}
    assert (joined.read(mine), joined.read(shared)) == (b"mine", b"a voice")
    for blob_id in (other, made):
        with pytest.raises(BlobGone):
            joined.read(blob_id)
    url = f"http://127.0.0.1:{door.port}/blobs/{mine}"
    assert httpx.get(url).status_code == 401
    assert httpx.put(url, content=b"x").status_code == 401
    assert httpx.delete(url, auth=ACCOUNT).status_code == 405
    head = httpx.head(url, auth=ACCOUNT)
    assert (head.headers["content-length"], head.content) == ("4", b"")
    door.inputs.discard(mine)
    with pytest.raises(BlobGone):
        joined.read(mine)


def test_a_full_disk_is_told_to_the_worker(scratch: Scratch, tmp_path: Path) -> None:
    limited = LocalBlobs(tmp_path / "full", limit=1_000_000)
    with BlobDoor(limited, set()) as door:
        worker = HttpBlobs(f"http://127.0.0.1:{door.port}", ACCOUNT, scratch, patience=30)
        worker.put(bytes(600_000))
        with pytest.raises(InsufficientStorage, match="DISK_LIMIT_GB"):
            worker.put(bytes(8_000_000))
        worker.put(bytes(100_000))


# -- keys and claims ---------------------------------------------------------------------------------------------


async def enqueue(address: str, job: JobRequest) -> None:
    client = JobClient(address, queue_limit=5, ttl=TTL)
    await client.start()
    await client.bus.connected.wait()
    await client.enqueue(job)
    await client.stop()


def test_a_joined_worker_has_the_files_of_a_job_while_it_runs_it(gateway: Gateway, tmp_path: Path) -> None:
    store, queue = LocalBlobs(gateway.data_dir / "blobs"), Category.IMAGE
    uploads = Uploads(store)
    sent, voice = uploads.put(DATA), uploads.put_shared(b"voice")
    job = request(uploads=uploads, queue=queue)
    asyncio.run(enqueue(gateway.redis.url, job))
    key = gateway.key("laptop")
    joined = [gateway.joined(key, tmp_path / name) for name in ("mine", "another")]
    worker, another = map(job_blobs, joined)
    # It waits, and is nobody's.
    with pytest.raises(BlobGone):
        worker.read(sent)
    with connection(gateway.redis.url) as link:
        gate = Gate(link, queue, f"{session_of(joined[0]).worker}.{queue}", TTL)
        (claim,) = gate.claim([(job_id, secrets.token_hex(16)) for job_id in gate.take(1) or ()])
        assert claim.job_id == job.id
        with worker.local(sent) as path:
            assert path.read_bytes() == DATA
        assert worker.read(voice) == b"voice"
        with pytest.raises(BlobGone):
            another.read(sent)
        assert store.read(worker.put(b"result")) == b"result"
        gate.write([], [Ending(claim.job_id, claim.execution_id, error=EngineFailure("x"))])
    with pytest.raises(BlobGone):
        worker.read(sent)
    gateway.revoke(key)
    with pytest.raises(MlxqError, match="revoked"):
        worker.put(b"late")
    assert files(tmp_path / "mine" / "scratch") == []
