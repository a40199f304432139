"""Odd words in the headers of requests, and words of clients in the headers of answers."""

import re
import socket
from itertools import product
from pathlib import Path

import httpx
import pytest

from api.http.answers.header_text import header_text
from config.settings import REPO
from tests.api.conftest import MakeSettings
from tests.api.requests import chat
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import ScriptedWorker

ODD = [
    b"http://[::1",
    b"http://a:b",
    b"http://a:99999999999",
    b"http://\xe2\x84\x80.com",
    b"\xff\xfe",
    b"[::1",
    b"localhost:x",
    b"a@b:c@d",
    b"\xb2",
    b",;=\"'",
    b"x" * 8_000,
    b"9" * 5_000,
    b"bytes=9-1",
]
HEADERS = [
    b"origin",
    b"host",
    b"authorization",
    b"x-api-key",
    b"prefer",
    b"idempotency-key",
    b"last-event-id",
    b"range",
    b"if-range",
    b"x-app",
    b"user-agent",
    b"accept",
    b"content-type",
    b"content-encoding",
    b"x-stainless-read-timeout",
    b"x-stainless-retry-count",
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"forwarded",
    b"access-control-request-method",
    b"access-control-request-headers",
    b"cookie",
    b"sec-fetch-site",
]


def exchange(api: ApiServer, method: bytes, path: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    """The status of the answer to this very request."""
    body = b'{"model":"tiny","messages":[{"role":"user","content":"a"}]}' if method == b"POST" else b""
    usual = {b"host": b"127.0.0.1", b"content-type": b"application/json"}
    sent = {**usual, **dict(headers), b"content-length": str(len(body)).encode(), b"connection": b"close"}
    head = b"".join(b"%s: %s\r\n" % pair for pair in sent.items())
    with socket.create_connection(("127.0.0.1", api.port), timeout=60) as connection:
        connection.sendall(b"%s %s HTTP/1.1\r\n%s\r\n%s" % (method, path, head, body))
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return int(answer.split(b" ", 2)[1])


def test_no_header_of_a_request_is_a_mistake_of_the_server(
    make_settings: MakeSettings, worker: ScriptedWorker
) -> None:
    settings = make_settings(allowed_hosts="*", cors_origins="https://friend.example,*")
    with ApiServer(settings) as api:
        for name, value in product(HEADERS, ODD):
            for method, path in (
                (b"POST", b"/v1/chat/completions"),
                (b"GET", b"/v1/jobs"),
                (b"OPTIONS", b"/v1/chat/completions"),
            ):
                status = exchange(api, method, path, [(name, value)])
                assert status < 500, (method, name, value)


def test_field_names_in_any_script_are_counted_in_ascii(http: httpx.Client, worker: ScriptedWorker) -> None:
    for name in ("größe", "поле", "字段", 'a"b', "a\\b", "a\nb", "😀", "x" * 9_000):
        answer = http.post("/v1/chat/completions", json=chat() | {name: 1})
        assert answer.status_code == 200
        assert answer.headers["warning"] == '299 mlxq "ignored fields: ?"'
    answer = http.post("/v1/chat/completions", json=chat() | {f"f{i:03}": 1 for i in range(500)})
    assert answer.headers["warning"].endswith('f009 and 490 more"')


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("plain words, with signs: (a/b)", "plain words, with signs: (a/b)"),
        ("café", "caf%C3%A9"),
        ("100 %", "100 %25"),
        ('say "a\\b"', "say %22a%5Cb%22"),
        ("a\r\nset-cookie: b", "a%0D%0Aset-cookie: b"),
        ("\ud800", "?"),
    ],
)
def test_words_become_values_of_headers(words: str, value: str) -> None:
    assert header_text(words) == value


def test_values_of_headers_stay_short() -> None:
    for words in ("a" * 5_000, "字" * 5_000, "%" * 999):
        assert len(header_text(words)) <= 1_000
        assert header_text(words).isascii()


@pytest.mark.parametrize("value", ["wait=٣", "wait=³"])
def test_digits_are_those_of_ascii(http: httpx.Client, worker: ScriptedWorker, value: str) -> None:
    answer = http.post("/v1/chat/completions", json=chat(), headers={b"prefer": value.encode()})
    assert (answer.status_code, answer.headers.get("preference-applied")) == (200, None)
    answer = http.post("/v1/chat/completions", json=chat(keep_alive="٣m"))
    assert answer.status_code == 400
    assert http.get("/v1/jobs/x/events", params={"after": "\u0661-\u0660"}).status_code == 400


def test_patterns_over_words_of_clients_are_ascii() -> None:
    """`\\d` and `\\w` take the digits and letters of all scripts, unless a flag says what is meant."""
    found = [
        f"{path.relative_to(REPO)}: {line.strip()}"
        for package in ("api", "config", "jobs")
        for path in sorted(Path(REPO / package).rglob("*.py"))
        for line in path.read_text().splitlines()
        if re.search(r"\\[dDwW]", line) and "re." in line and not re.search(r"re\.(ASCII|UNICODE)", line)
    ]
    assert found == []
