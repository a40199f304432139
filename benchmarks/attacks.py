"""How long another's chat waits while an attack runs in a loop: the slowest and p95, against those of an idle server.

    python -m benchmarks.attacks [--seconds 15] [--senders 1] [--only NAME …] [--model FOLDER] [--tokens 1]

Each attack is a request that takes as much of one bounded resource as it may (docs/operations.md, "Bounds"). The
probe asks for one token of `models/tiny-chat`, one request after another: that is the sharpest probe, and most of
its time is the way through the queue. `--model` and `--tokens` make it the chat of a user. Run it on a quiet machine.
"""

import argparse
import base64
import gzip
import http.client
import json
import multiprocessing
import os
import socket
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.load import percentile
from benchmarks.server import MLXQ, REPO, running

CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "multipart/form-data; boundary=x"}
PAGE = {"origin": "https://page.example", "content-type": "text/plain"}
PROBE = {"model": "default", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}


@dataclass(frozen=True)
class Attack:
    """`body` is made anew for each request: a cache must not make it cheap."""

    name: str
    path: str
    body: Callable[[], bytes]
    headers: dict[str, str]


def _chat(**more: object) -> bytes:
    return json.dumps({**PROBE, **more}).encode()


def _schema(schema: dict[str, object]) -> bytes:
    held = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    return _chat(response_format=held, max_tokens=2)


def _property(value: dict[str, object]) -> dict[str, object]:
    return {"type": "object", "properties": {"a": value}, "required": ["a"], "additionalProperties": False}


def _number() -> int:
    return int.from_bytes(os.urandom(2)) + 1


def _words(size: int) -> str:
    return base64.b64encode(os.urandom(size)).decode()


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = bytes(1 + (width + 7) // 8)
    packed = zlib.compressobj(9)
    data = b"".join(packed.compress(row) for _ in range(height)) + packed.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)
    palette = chunk(b"PLTE", b"\0\0\0\xff\xff\xff")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _form(name: str, data: bytes, **fields: str) -> bytes:
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n\r\n'.encode()
    return b"".join(parts) + head + data + b"\r\n--x--\r\n"


def attacks() -> list[Attack]:
    picture = _png(7_000, 7_000)
    return [
        Attack(
            "a list of 250,000 wrong items", CHAT, lambda: b'{"messages":[' + b"1," * 249_999 + b"1]}", PAGE
        ),
        Attack(
            "10 MB of wrong texts",
            "/v1/embeddings",
            lambda: b'{"input":[' + b"{}," * 3_000_000 + b"{}]}",
            PAGE,
        ),
        Attack(
            "a prompt of 4 MB",
            CHAT,
            lambda: _chat(messages=[{"role": "user", "content": _words(3_000_000)}]),
            JSON,
        ),
        Attack(
            "a large multipleOf",
            CHAT,
            lambda: _schema(_property({"type": "integer", "multipleOf": 290_000 + _number()})),
            JSON,
        ),
        Attack(
            "a schema of 2,000 properties",
            CHAT,
            lambda: _schema(
                {
                    "type": "object",
                    "properties": {f"p{_number()}-{n}": {"type": "string"} for n in range(2_000)},
                }
            ),
            JSON,
        ),
        Attack(
            "a pattern of repetitions",
            CHAT,
            lambda: _schema(
                _property({"type": "string", "pattern": f"^(a{{1,{_number() % 900 + 99}}}b){{1,40}}$"})
            ),
            JSON,
        ),
        Attack(
            "a picture of 49 megapixels",
            "/v1/images/edits",
            lambda: _form("image", picture, prompt="x", size="17x17"),
            FORM,
        ),
        Attack(
            "a form in punycode",
            "/v1/images/edits",
            lambda: _form("image", b"", **{f"f{n}": "b" * 30_000 + "-" + "aa" * 15_000 for n in range(20)}),
            {"content-type": "multipart/form-data; boundary=x; charset=punycode"},
        ),
        Attack(
            "a gzip bomb",
            CHAT,
            lambda: gzip.compress(bytes(200_000_000), 1),
            {**JSON, "content-encoding": "gzip"},
        ),
        Attack("a page's chat with a name of the hub", CHAT, lambda: _chat(model=f"org/m{_number()}"), PAGE),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--senders", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--model", type=Path, default=REPO / "models" / "tiny-chat")
    parser.add_argument("--tokens", type=int, default=1)
    args = parser.parse_args()
    PROBE["max_tokens"] = args.tokens
    with running(MLXQ, args.model, {"AUTO_DOWNLOAD": "0"}) as server:
        place = urlsplit(server.base_url).netloc
        probe(place, 2)
        idle = probe(place, args.seconds)
        p95 = percentile(idle, 0.95)
        print(f"idle: {len(idle)} chats, p95 {1e3 * p95:.0f} ms, slowest {1e3 * max(idle):.0f} ms\n")
        print(
            "| attack | statuses | p95 ms | x idle p95 | slowest ms | x idle p95 |\n|---|---|--:|--:|--:|--:|"
        )
        for attack in attacks():
            if args.only and not any(part in attack.name for part in args.only):
                continue
            said, times = _under(place, attack, args.seconds, args.senders)
            worst, usual = max(times), percentile(times, 0.95)
            print(
                f"| {attack.name} | {said} | {1e3 * usual:.0f} | {usual / p95:.1f} | {1e3 * worst:.0f} "
                f"| {worst / p95:.1f} |",
                flush=True,
            )
        said, times = _beside_half_open(place, args.seconds)
        worst, usual = max(times), percentile(times, 0.95)
        print(
            f"| 200 half-open connections | {said} | {1e3 * usual:.0f} | {usual / p95:.1f} | {1e3 * worst:.0f} "
            f"| {worst / p95:.1f} |"
        )


def probe(place: str, seconds: float) -> list[float]:
    """Seconds that each of the chats took that follow one another for so long."""
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        status = ask(place, CHAT, json.dumps(PROBE).encode(), JSON)
        if status != 200:
            raise RuntimeError(f"a good chat was answered with {status}")
        times.append(time.monotonic() - began)
    return times


def ask(place: str, path: str, body: bytes, headers: dict[str, str]) -> int:
    link = http.client.HTTPConnection(place, timeout=120)
    try:
        link.request("POST", path, body, headers)
        answer = link.getresponse()
        answer.read()
        return answer.status
    finally:
        link.close()


def _under(place: str, attack: Attack, seconds: float, senders: int) -> tuple[str, list[float]]:
    """The senders are processes of their own: to make their bodies must not hold the probe up."""
    context = multiprocessing.get_context("fork")
    stop, said = context.Event(), context.Queue()
    processes = [context.Process(target=_send, args=(place, attack, stop, said)) for _ in range(senders)]
    for process in processes:
        process.start()
    times = probe(place, seconds)
    stop.set()
    counts: Counter[object] = sum((said.get() for _ in processes), Counter())
    for process in processes:
        process.join()
    return ", ".join(f"{status} x{count}" for status, count in counts.items()), times


def _send(place: str, attack: Attack, stop: Event, said: "multiprocessing.Queue[Counter[object]]") -> None:
    counts: Counter[object] = Counter()
    while not stop.is_set():
        try:
            counts[ask(place, attack.path, attack.body(), attack.headers)] += 1
        except OSError as error:
            # A body that is refused while it is sent.
            counts[type(error).__name__] += 1
    said.put(counts)


def _beside_half_open(place: str, seconds: float) -> tuple[str, list[float]]:
    host, port = place.split(":")
    links = [socket.create_connection((host, int(port))) for _ in range(200)]
    for link in links:
        link.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n{")
    try:
        return "open", probe(place, seconds)
    finally:
        for link in links:
            link.close()


if __name__ == "__main__":
    main()
