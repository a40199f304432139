"""Files of jobs through a gateway and through a bucket: are the bytes the same, how fast, and how much memory.

    python -m benchmarks.blobs [--quick]

200 images and recordings go to a worker and come back as results, eight at a time; then one long recording. Memory is
that of this process, which is both the API and the worker, over what it had before; the bucket is in another one.
"""

import argparse
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil

from jobs.blobs import SENT, BlobStore, JobBlobs, LocalBlobs, Scratch
from jobs.blobs.bucket import S3Blobs
from jobs.blobs.door import HttpBlobs
from tests.support.blob_door import ACCOUNT, BlobDoor
from tests.support.bucket import bucket_server, make_bucket

COUNT, AT_A_TIME = 200, 8
#: Bytes of an image, a recording, and the long one.
IMAGE, RECORDING, LONG = 1_500_000, 900_000, 1 << 30
MB = 1 << 20


class Peak:
    """The most memory of this process, looked at all the time."""

    def __init__(self) -> None:
        self._process, self._stop = psutil.Process(), threading.Event()
        self.before = self.most = self._process.memory_info().rss
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._stop.wait(0.01):
            self.most = max(self.most, self._process.memory_info().rss)

    def end(self) -> float:
        """MB over what there was before."""
        self._stop.set()
        self._thread.join()
        return float(self.most - self.before) / MB


def many(api: BlobStore, worker: JobBlobs, name: Callable[[str], None], scale: int) -> None:
    sizes = [(IMAGE if number % 2 else RECORDING) // scale for number in range(COUNT)]

    def way(size: int) -> None:
        data = os.urandom(size)
        blob_id = api.put(data, SENT)
        name(blob_id)
        with worker.local(blob_id) as path:
            assert path.read_bytes() == data
        assert api.read(worker.put(data)) == data

    peak, began = Peak(), time.monotonic()
    with ThreadPoolExecutor(AT_A_TIME) as threads:
        list(threads.map(way, sizes))
    took = time.monotonic() - began
    moved = 2 * sum(sizes) / MB
    print(
        f"  {COUNT} there and back: {moved:.0f} MB in {took:.1f} s, {moved / took:.0f} MB/s; +{peak.end():.0f} MB"
    )


def long(api: BlobStore, worker: JobBlobs, name: Callable[[str], None], scale: int) -> None:
    piece, size = os.urandom(MB), LONG // scale
    peak, began = Peak(), time.monotonic()
    with api.draft(SENT) as draft:
        for _ in range(size // MB):
            draft.write(piece)
        blob_id = draft.keep()
    sent = time.monotonic() - began
    name(blob_id)
    began = time.monotonic()
    with worker.local(blob_id) as path, path.open("rb") as file:
        got = time.monotonic() - began
        assert all(file.read(MB) == piece for _ in range(size // MB))
        assert not file.read(1)
    speeds = f"in {size / MB / sent:.0f} MB/s, to the worker {size / MB / got:.0f} MB/s"
    print(f"  one of {size / MB:.0f} MB: {speeds}; +{peak.end():.0f} MB")


@contextmanager
def gateway(folder: Path) -> Iterator[tuple[BlobStore, JobBlobs, Callable[[str], None]]]:
    local = LocalBlobs(folder / "blobs")
    with BlobDoor(local, set()) as door:
        worker = HttpBlobs(f"http://127.0.0.1:{door.port}", ACCOUNT, Scratch(folder / "scratch"))
        yield local, worker, door.inputs.add


@contextmanager
def bucket(folder: Path) -> Iterator[tuple[BlobStore, JobBlobs, Callable[[str], None]]]:
    with bucket_server() as url:
        address = make_bucket(url, f"bench-{secrets.token_hex(4)}")
        stores = [S3Blobs(address, Scratch(folder / "scratch")) for _ in range(2)]
        yield stores[0], stores[1], lambda _: None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="files of an eighth of the size")
    scale = 8 if parser.parse_args().quick else 1
    for title, place in (("gateway, without TLS", gateway), ("bucket, moto", bucket)):
        print(title)
        with tempfile.TemporaryDirectory() as folder, place(Path(folder)) as stores:
            many(*stores, scale)
            long(*stores, scale)


if __name__ == "__main__":
    main()
