"""Request bodies that come compressed: taken, bounded by what they are decoded to, or refused by name."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psutil
import pytest

from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.api.test_bad_input import check
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import ScriptedWorker

CHAT = "/v1/chat/completions"


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def in_parts(data: bytes) -> bytes:
    """A gzip file may be several, one after the other."""
    return b"".join(gzip.compress(data[start : start + 40]) for start in range(0, len(data), 40))


PACKERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("GZip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("gzip", in_parts),
    ("gzip, identity", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("identity", bytes),
]


@pytest.mark.parametrize(("coding", "pack"), PACKERS)
@pytest.mark.parametrize("size", [1, 100_000, 3_000_000])
def test_a_compressed_body_is_read(
    http: httpx.Client, worker: ScriptedWorker, coding: str, pack: Callable[[bytes], bytes], size: int
) -> None:
    text = "x" * size
    body = pack(json.dumps(chat(text)).encode())
    answer = http.post(CHAT, content=body, headers={"content-encoding": coding})
    assert answer.status_code == 200, answer.text
    assert worker.runs[-1].payload["messages"][0]["content"] == text


def test_a_byte_order_mark_counts_for_nothing(http: httpx.Client, worker: ScriptedWorker) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(chat("One")).encode()
    answer = http.post(CHAT, content=body)
    assert answer.json()["choices"][0]["message"]["content"] == "One"


def test_it_may_come_in_chunks(http: httpx.Client, worker: ScriptedWorker) -> None:
    body = gzip.compress(json.dumps(chat("word by word " * 1000)).encode())

    def drops() -> Iterator[bytes]:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    answer = http.post(CHAT, content=drops(), headers={"content-encoding": "gzip"})
    assert answer.json()["choices"][0]["message"]["content"] == "word by word " * 1000


def test_a_form_may_be_compressed(http: httpx.Client, worker: ScriptedWorker) -> None:
    """It is read up to the model's name, of which there is none."""
    form = httpx.Request("POST", "http://x", data={"model": "nix"}, files={"file": b"RIFF"})
    answer = http.post(
        "/v1/audio/transcriptions",
        content=gzip.compress(form.read()),
        headers={"content-encoding": "gzip", "content-type": form.headers["content-type"]},
    )
    assert check(answer, 404)["code"] == "model_not_found"


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "deflate, br", "x" * 500])
def test_other_codings_are_refused_by_name(http: httpx.Client, worker: ScriptedWorker, coding: str) -> None:
    answer = http.post(CHAT, json=chat(), headers={"content-encoding": coding})
    error = check(answer, 415)
    assert (error["code"], error["param"]) == ("unsupported_content_encoding", "Content-Encoding")
    assert "'gzip' and 'deflate'" in error["message"]
    assert coding[:20] in error["message"]
    assert answer.headers["accept-encoding"] == "gzip, deflate"
    assert worker.runs == []


WHOLE = gzip.compress(json.dumps(chat()).encode())
BROKEN: dict[str, tuple[str, bytes]] = {
    "nothing": ("gzip", b""),
    "no gzip": ("gzip", json.dumps(chat()).encode()),
    "cut off": ("gzip", WHOLE[:-9]),
    "without its checksum": ("gzip", WHOLE[:-4]),
    "with another checksum": ("gzip", WHOLE[:-5] + b"\0" + WHOLE[-4:]),
    "with something behind it": ("gzip", WHOLE + b"more"),
    "deflate with something behind it": ("deflate", zlib.compress(b"{}") + b"more"),
    "no deflate": ("deflate", b"\xff\xff\xff"),
}


@pytest.mark.parametrize(("coding", "body"), BROKEN.values(), ids=BROKEN.keys())
def test_what_cannot_be_decoded(http: httpx.Client, worker: ScriptedWorker, coding: str, body: bytes) -> None:
    error = check(http.post(CHAT, content=body, headers={"content-encoding": coding}))
    assert (error["code"], error["param"]) == ("invalid_content_encoding", "Content-Encoding")
    assert worker.runs == []


@pytest.mark.parametrize("chunked", [False, True])
def test_a_bomb_is_refused_while_it_grows(make_settings: MakeSettings, chunked: bool) -> None:
    """A gigabyte in a megabyte: neither is it held, nor does anybody wait for it."""
    bomb = gzip.compress(bytes(1 << 24)) * 64
    assert len(bomb) < 2 << 20
    before = psutil.Process().memory_info().rss
    with ApiServer(make_settings(max_body_mb=8)) as api:
        body: Any = iter([bomb]) if chunked else bomb
        answer = httpx.post(
            f"{api.url}{CHAT}", content=body, headers={"content-encoding": "gzip"}, timeout=30
        )
        assert check(answer, 413)["code"] == "request_too_large"
        assert "8 MB" in answer.json()["error"]["message"]
    assert psutil.Process().memory_info().rss - before < 300 << 20


def test_encoded_bytes_count_too(make_settings: MakeSettings) -> None:
    """Parts without content can be sent without end."""
    with ApiServer(make_settings(max_body_mb=0.1)) as api:
        body = gzip.compress(b"") * 10_000
        answer = httpx.post(f"{api.url}{CHAT}", content=iter([body]), headers={"content-encoding": "gzip"})
        check(answer, 413)
