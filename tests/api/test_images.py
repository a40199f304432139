"""Images on their way in: what becomes a file of the job, what is refused and how, what a text model gets."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

import api.http.outgoing.requests
from api.http.outgoing.public_address import is_public
from config.settings import Settings
from jobs.blobs import BlobStore, LocalBlobs
from mlxq.media.images import open_image
from tests.support.api_server import ApiServer
from tests.support.images import Web, data_url, encoded, part, picture
from tests.support.scripted_worker import ScriptedWorker

PICTURE = encoded(picture())
#: Limits that small pictures reach.
LIMITS = {"max_image_mb": 0.1, "max_image_megapixels": 0.05, "max_images": 3}


@pytest.fixture
def make_api(
    make_settings: Callable[..., Settings], model_root: Path, tmp_path: Path
) -> Iterator[Callable[..., ApiServer]]:
    """An API whose models are `tiny`, which reads, and `eyes`, which sees too."""
    (model_root / "eyes").mkdir()
    (model_root / "eyes" / "config.json").write_text(
        json.dumps({"model_type": "x", "vision_config": {"a": 1}})
    )
    (model_root / "eyes" / "model.safetensors").write_bytes(bytes(100))
    running: list[ApiServer] = []

    def make(**settings: Any) -> ApiServer:
        running.append(ApiServer(make_settings(**{"data_dir": tmp_path, **LIMITS, **settings})))
        return running[-1].__enter__()

    yield make
    for server in running:
        server.__exit__(None, None, None)


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as web:
        yield web


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return LocalBlobs(tmp_path / "blobs")


def show(server: ApiServer, *parts: dict[str, Any], model: str = "eyes") -> httpx.Response:
    """A chat of an opening and a message of these parts."""
    messages = [{"role": "system", "content": "Look."}, {"role": "user", "content": list(parts)}]
    return httpx.post(
        f"{server.url}/v1/chat/completions", json={"model": model, "messages": messages}, timeout=30
    )


def refused(response: httpx.Response, status: int = 400, place: str = "messages[1].content[0]") -> str:
    """The message of a refusal, which names the part."""
    error: dict[str, Any] = response.json()["error"]
    assert response.status_code == status, error
    assert error["param"] == place
    assert place in error["message"]
    return str(error["message"])


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def shown(worker: ScriptedWorker, blobs: BlobStore) -> list[Image.Image]:
    """The pictures that the last job has."""
    content = worker.runs[-1].payload["messages"][1]["content"]
    return [open_image(blobs.read(each["blob"]), 1e9) for each in content if each["type"] == "image"]


def test_images_become_files_in_their_order(
    make_api: Callable[..., ApiServer], worker: ScriptedWorker, blobs: BlobStore
) -> None:
    other = encoded(picture(2))
    answer = show(
        make_api(), text("one"), part(data_url(PICTURE), detail="low"), text("two"), part(data_url(other))
    )
    assert answer.status_code == 200, answer.text
    assert "warning" not in answer.headers
    system, user = worker.runs[0].payload["messages"]
    assert system["content"] == "Look."
    assert [each["type"] for each in user["content"]] == ["text", "image", "text", "image"]
    assert [each["text"] for each in user["content"][::2]] == ["one", "two"]
    assert [blobs.read(each["blob"]) for each in user["content"][1::2]] == [PICTURE, other]


def test_a_file_that_is_stored_when_the_request_is_over_is_deleted(
    make_api: Callable[..., ApiServer], web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other image of the chat is refused in the meantime."""
    put = LocalBlobs.put
    begun, over, done = threading.Event(), threading.Event(), threading.Event()

    def slow(blobs: LocalBlobs, data: bytes, kind: str) -> str:
        begun.set()
        assert over.wait(30)
        return put(blobs, data, kind)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        assert begun.wait(30)
        handler.send_error(404)

    delete = LocalBlobs.delete_all

    def deleted(blobs: LocalBlobs, ids: list[str]) -> None:
        delete(blobs, ids)
        done.set()

    monkeypatch.setattr(LocalBlobs, "put", slow)
    monkeypatch.setattr(LocalBlobs, "delete_all", deleted)
    web.answers["/gone"] = answer
    refused(
        show(make_api(allow_private_urls=True), part(data_url(PICTURE)), part(web.url("/gone"))),
        place="messages[1].content[1]",
    )
    over.set()
    assert done.wait(30)
    assert list((tmp_path / "blobs").iterdir()) == []


def test_ollamas_clients_send_base64_or_what_a_browser_gave_them(
    make_api: Callable[..., ApiServer], worker: ScriptedWorker, blobs: BlobStore
) -> None:
    url = data_url(PICTURE)
    said = {"role": "user", "content": "Look.", "images": [url.partition(",")[2], url]}
    server = make_api()
    body = {"model": "eyes", "messages": [said], "stream": False}
    assert httpx.post(f"{server.url}/api/chat", json=body, timeout=30).status_code == 200
    _, *images = worker.runs[0].payload["messages"][0]["content"]
    assert [blobs.read(each["blob"]) for each in images] == [PICTURE, PICTURE]
    body["messages"] = [{**said, "images": ["§"]}]
    refusal = httpx.post(f"{server.url}/api/chat", json=body, timeout=30)
    assert "it is not in base64" in refusal.json()["error"]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP"])
def test_each_format_is_taken_whatever_it_calls_itself(
    form: str, make_api: Callable[..., ApiServer], worker: ScriptedWorker, blobs: BlobStore
) -> None:
    answer = show(make_api(), part(data_url(encoded(picture(), form), "text/html")))
    assert answer.status_code == 200, answer.text
    (image,) = shown(worker, blobs)
    assert (image.mode, image.size) == ("RGB", (80, 60))


def test_pictures_are_turned_upright_and_have_a_ground(
    make_api: Callable[..., ApiServer], worker: ScriptedWorker, blobs: BlobStore
) -> None:
    lying = Image.Exif()
    lying[0x0112] = 6
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    moving = encoded(picture(1), "GIF", save_all=True, append_images=[picture(2)])
    answer = show(
        make_api(),
        part(data_url(encoded(picture(), "JPEG", exif=lying))),
        part(data_url(encoded(clear))),
        part(data_url(moving)),
    )
    assert answer.status_code == 200, answer.text
    turned, ground, still = shown(worker, blobs)
    assert turned.size == (60, 80)
    assert ground.getpixel((10, 10)) == (255, 255, 255)
    assert still.tobytes() == open_image(encoded(picture(1), "GIF"), 1e9).tobytes()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (data_url(b"no picture at all"), "no JPEG, PNG, GIF or WebP"),
        (data_url(encoded(picture(), "BMP")), "no JPEG, PNG, GIF or WebP"),
        (data_url(PICTURE[: len(PICTURE) // 2]), "broken"),
        (data_url(b""), "no JPEG, PNG, GIF or WebP"),
        (data_url(encoded(Image.new("L", (1000, 1000)))), "more than 0.05 million pixels"),
        (data_url(encoded(Image.new("1", (20_000, 20_000)))), "more than 0.05 million pixels"),
        ("data:image/png,abc", "base64"),
        ("data:image/png;base64", "base64"),
        ("data:image/png;base64,é", "base64"),
        ("ftp://example.com/a.png", "only http"),
        ("file:///etc/passwd", "only http"),
        ("/etc/passwd", "only http"),
        ("http://", "only http"),
        ("http://[::1", "not valid"),
        ("http://127.0.0.1:9/a.png", "no public address"),
        ("http://localhost:9/a.png", "no public address"),
        ("http://[::ffff:127.0.0.1]:9/a.png", "no public address"),
        ("http://169.254.169.254/latest/meta-data", "no public address"),
        ("http://no-such-host.invalid/a.png", "no public address"),
    ],
)
def test_a_bad_image_is_a_400_that_names_its_part(
    url: str, reason: str, make_api: Callable[..., ApiServer], worker: ScriptedWorker
) -> None:
    message = refused(show(make_api(), text("look"), part(url)), place="messages[1].content[1]")
    assert reason in message
    assert worker.runs == []


def test_a_large_file_is_a_413(make_api: Callable[..., ApiServer], worker: ScriptedWorker) -> None:
    assert "0.1 MB" in refused(show(make_api(), part(data_url(PICTURE + bytes(200_000)))), 413)


def test_too_many_images_are_refused(make_api: Callable[..., ApiServer], worker: ScriptedWorker) -> None:
    answer = show(make_api(), *[part(data_url(PICTURE))] * 4)
    assert answer.status_code == 400
    assert "at most 3" in answer.json()["error"]["message"]


def test_an_address_is_fetched_also_over_redirects(
    make_api: Callable[..., ApiServer], worker: ScriptedWorker, blobs: BlobStore, web: Web
) -> None:
    web.serve("/cat.png", PICTURE)
    first = web.redirect("/there", "/cat.png")
    answer = show(make_api(allow_private_urls=True), part(first), part(web.url("/cat.png", "localhost")))
    assert answer.status_code == 200, answer.text
    assert len(shown(worker, blobs)) == 2
    hosts = sorted(host for path, host in web.asked if path == "/cat.png")
    assert hosts == [f"127.0.0.1:{web.port}", f"localhost:{web.port}"]


def test_what_the_web_does_wrong_is_told(
    make_api: Callable[..., ApiServer], worker: ScriptedWorker, web: Web
) -> None:
    held = threading.Event()

    def slow(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(PICTURE[:10])
        handler.wfile.flush()
        held.wait(60)

    web.answers["/slow"] = slow
    web.serve("/large", bytes(200_000))
    web.redirect("/circle", "/circle")
    web.redirect("/file", "file:///etc/passwd")
    web.serve("/page", b"<html>")
    server = make_api(allow_private_urls=True)
    reasons = {
        "/missing": "status 404",
        "/circle": "redirected too often",
        "/file": "only http",
        "/page": "no JPEG, PNG, GIF or WebP",
    }
    try:
        for path, reason in reasons.items():
            assert reason in refused(show(server, part(web.url(path))))
        hasty = make_api(allow_private_urls=True, image_fetch_timeout=1.0)
        assert "longer than 1 s" in refused(show(hasty, part(web.url("/slow"))))
        large = show(server, part(web.url("/large")))
        assert (large.status_code, large.json()["error"]["param"]) == (413, "messages[1].content[0]")
        assert "larger than 0.1 MB" in large.json()["error"]["message"]
    finally:
        held.set()
    assert worker.runs == []


def test_nobody_listens(make_api: Callable[..., ApiServer], worker: ScriptedWorker, web: Web) -> None:
    server = make_api(allow_private_urls=True)
    assert "could not be fetched" in refused(show(server, part("http://127.0.0.1:1/a.png")))


def test_a_redirect_does_not_lead_into_the_private_network(
    make_api: Callable[..., ApiServer], worker: ScriptedWorker, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """127.0.0.1 stands for the internet here, and everything else is private."""
    monkeypatch.setattr(api.http.outgoing.requests, "is_public", lambda address: address == "127.0.0.1")
    web.serve("/cat.png", PICTURE)
    server = make_api()
    assert show(server, part(web.redirect("/good", "/cat.png"))).status_code == 200
    bad = web.redirect("/bad", web.url("/cat.png", "127.0.0.2"))
    assert "no public address" in refused(show(server, part(bad)))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("1.1.1.1", True),
        ("192.0.0.8", False),
        ("192.0.0.170", False),
        ("192.0.2.1", False),
        ("192.88.99.1", False),
        ("198.18.0.1", False),
        ("198.51.100.1", False),
        ("203.0.113.1", False),
        ("240.0.0.1", False),
        ("239.255.255.250", False),
        # Ways to write an IPv4 address as IPv6, or to reach it: NAT64 of all and of one network, SIIT,
        # IPv4-compatible, 6to4 and Teredo.
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", False),
        ("64:ff9b:1::7f00:1", False),
        ("64:ff9b:1:a::a00:1", False),
        ("::ffff:0:127.0.0.1", False),
        ("::ffff:0:10.0.0.1", False),
        ("::127.0.0.1", False),
        ("::10.0.0.1", False),
        ("::8.8.8.8", False),
        ("2002:7f00:1::", False),
        ("2002:c0a8:101::1", False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
        ("2001:20::1", False),
        ("2001:db8::1", False),
        ("3fff::1", False),
        ("5f00::1", False),
        ("100::1", False),
        ("4000::1", False),
        ("2a00:1450:4001::1", True),
        ("2001:4860:4860::8888", True),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_a_text_model_answers_without_the_images_and_says_so(
    make_api: Callable[..., ApiServer], worker: ScriptedWorker
) -> None:
    parts = [text("What is "), part("http://127.0.0.1:9/never-fetched.png"), text("this?"), part("data:,")]
    server = make_api()
    answer = show(server, *parts, model="tiny")
    assert answer.status_code == 200, answer.text
    assert answer.headers["warning"] == '299 mlxq "2 images were left out: the model takes text only"'
    assert worker.runs[0].payload["messages"][1] == {"role": "user", "content": "What is this?"}
    body = {"model": "tiny", "messages": [{"role": "user", "content": parts}], "stream": True, "sparkle": 1}
    streamed = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=60)
    assert streamed.headers["warning"] == (
        '299 mlxq "ignored fields: sparkle", 299 mlxq "2 images were left out: the model takes text only"'
    )
    assert "What" in streamed.text


def test_strict_refuses_images_for_a_text_model(
    make_api: Callable[..., ApiServer], worker: ScriptedWorker
) -> None:
    server = make_api(strict=True)
    answer = show(server, text("look"), part(data_url(PICTURE)), model="tiny")
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["param"], error["code"]) == ("messages[1].content[1]", "unsupported_value")
    assert show(server, text("no picture"), model="tiny").status_code == 200
    assert show(server, part(data_url(PICTURE))).status_code == 200
