"""Files that requests bring along, and what becomes of them."""

import asyncio
import os
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jobs.blobs import SENT, BlobStore, LocalBlobs
from jobs.errors import BlobGone


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return LocalBlobs(tmp_path / "deep" / "blobs")


def where(blobs: BlobStore, blob_id: str) -> Path:
    """The file of a blob, which a folder does not copy."""
    with blobs.local(blob_id) as path:
        return path


def test_what_is_put_can_be_read_by_its_id(blobs: BlobStore) -> None:
    first, second = blobs.put(b"one"), blobs.put(b"one")
    assert first != second
    assert blobs.read(first) == b"one"
    assert blobs.stat(second).size == 3
    with blobs.open(second) as file:
        assert file.read() == b"one"


def test_only_the_user_can_read_them(blobs: BlobStore) -> None:
    path = where(blobs, blobs.put(b"secret"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_stream_is_stored_whole_or_not_at_all(blobs: BlobStore, tmp_path: Path) -> None:
    async def chunks(broken: bool) -> AsyncIterator[bytes]:
        yield b"first "
        if broken:
            raise ConnectionError("the client left")
        yield b"last"

    assert blobs.read(asyncio.run(blobs.put_stream(chunks(False)))) == b"first last"
    with pytest.raises(ConnectionError):
        asyncio.run(blobs.put_stream(chunks(True)))
    assert len(list((tmp_path / "deep" / "blobs").iterdir())) == 1


def test_what_is_deleted_is_gone(blobs: BlobStore) -> None:
    blob = blobs.put(b"short")
    blobs.delete(blob)
    blobs.delete(blob)
    with pytest.raises(BlobGone):
        blobs.read(blob)


def test_no_id_leads_out_of_the_folder(blobs: BlobStore, tmp_path: Path) -> None:
    blob = blobs.put(b"inside")
    (tmp_path / "deep" / "passwords").write_text("outside")
    for name in (
        "../passwords",
        str(tmp_path / "deep" / "passwords"),
        f"../blobs/{blob}",
        "",
        ".",
        blob + "\n",
    ):
        with pytest.raises(BlobGone):
            blobs.read(name)
        blobs.delete(name)
    assert blobs.read(blob) == b"inside"


def test_old_ones_are_swept_and_so_is_what_a_crash_left(blobs: BlobStore) -> None:
    old, new = blobs.put(b"old"), blobs.put(b"new")
    half = where(blobs, new).with_name("blob-0.part")
    half.write_bytes(b"ha")
    an_hour_ago = time.time() - 3600
    for path in (where(blobs, old), half):
        os.utime(path, (an_hour_ago, an_hour_ago))
    assert blobs.sweep(1800) == 2
    assert blobs.read(new) == b"new"
    assert not half.exists()
    with pytest.raises(BlobGone):
        blobs.read(old)


def test_there_is_nothing_to_sweep_before_the_first(blobs: BlobStore) -> None:
    assert blobs.sweep(0) == 0


def test_what_is_shared_is_stored_once(blobs: BlobStore) -> None:
    first = blobs.put_shared(b"a voice")
    assert blobs.put_shared(b"a voice") == first
    assert blobs.put_shared(b"another voice") != first
    assert blobs.read(first) == b"a voice"
    assert len(list(where(blobs, first).parent.iterdir())) == 2


def test_what_is_shared_outlives_its_jobs_and_goes_when_nobody_wants_it(blobs: BlobStore) -> None:
    shared, sent = blobs.put_shared(b"a voice"), blobs.put(b"sent", SENT)
    assert blobs.delete_all([shared, sent]) == 1
    assert blobs.sweep(-1) == 0
    an_hour_ago = time.time() - 3600
    os.utime(where(blobs, shared), (an_hour_ago, an_hour_ago))
    orphans = blobs.orphans(1800)
    assert orphans == [shared]
    blobs.put_shared(b"a voice")
    assert blobs.delete_orphans(orphans, 1800) == 0
    os.utime(where(blobs, shared), (an_hour_ago, an_hour_ago))
    assert blobs.delete_orphans(orphans, 1800) == 1
    with pytest.raises(BlobGone):
        blobs.read(shared)
