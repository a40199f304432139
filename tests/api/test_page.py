"""What is served at `/` and below `/page/`. `tests/page` shows it in a browser."""

import gzip
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.page.files import STATIC, page_files
from tests.api.conftest import MakeSettings
from tests.support.api_server import ApiServer

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "accept-encoding": "gzip"}
#: Bytes that all files of the page may have together, as they are sent.
LARGEST = 200_000


def addresses(http: httpx.Client) -> list[str]:
    """The files that the page names itself."""
    found = re.findall(r'(?:src|href)="([^"]+)"', http.get("/", headers=BROWSER).text)
    assert found
    return found


def test_browsers_get_the_page_and_others_json(http: httpx.Client) -> None:
    page, told = http.get("/", headers=BROWSER), http.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.startswith("<!doctype html>")
    assert told.json()["name"] == "mlxq"
    for answer in (page, told):
        assert "accept" in answer.headers["vary"]
    for accept in ("application/json", "*/*", "text/plain"):
        assert http.get("/", headers={"accept": accept}).json()["status"] == "running"
    assert http.head("/", headers=BROWSER).headers["content-type"] == "text/html; charset=utf-8"


def test_nothing_but_its_own_scripts_run(http: httpx.Client) -> None:
    for path in ("/", addresses(http)[-1]):
        headers = http.get(path, headers=BROWSER).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    assert not re.search(r"<script(?![^>]* src=)|<style| on\w+=| style=", http.get("/", headers=BROWSER).text)


def test_files_are_kept_by_browsers_and_asked_for_anew_with_a_new_version(http: httpx.Client) -> None:
    for path in addresses(http):
        answer = http.get(path)
        assert answer.status_code == 200, path
        assert "immutable" in answer.headers["cache-control"]
        seen = http.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (seen.status_code, seen.content) == (304, b"")
        assert http.get(path.replace(page_files().version, "0" * 12)).status_code == 404
    page = http.get("/", headers=BROWSER)
    assert page.headers["cache-control"] == "no-cache"
    assert http.get("/", headers={**BROWSER, "if-none-match": page.headers["etag"]}).status_code == 304


def test_what_the_first_view_imports_is_asked_for_at_once(http: httpx.Client) -> None:
    asked = {path.split("/", 2)[2] for path in addresses(http)}
    assert {"app.js", "lib.js", "views/now.js", "vendor/preact.js", "parts/controls.js"} <= asked
    assert not {"views/chat.js", "vendor/marked.js"} & asked


def test_no_other_file_is_served(http: httpx.Client) -> None:
    version = page_files().version
    for name in (
        "../files.py",
        "%2e%2e/files.py",
        "..%2ffiles.py",
        "vendor/README.md",
        "",
        "index.html",
        "nix",
    ):
        assert http.get(f"/page/{version}/{name}").status_code == 404, name


def test_it_is_small(http: httpx.Client) -> None:
    files = page_files().files.values()
    assert sum(len(file.compressed) for file in files) <= LARGEST
    for name, file in page_files().files.items():
        answer = http.get(f"/page/{page_files().version}/{name}", headers={"accept-encoding": "gzip"})
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.content == file.content == gzip.decompress(file.compressed)


def test_it_names_no_other_server() -> None:
    """Not in what it loads; texts and licences may name addresses."""
    own = [
        path
        for path in STATIC.rglob("*")
        if path.suffix in (".js", ".css", ".html") and "vendor" not in path.parts
    ]
    for path in own:
        assert not re.search(
            r"""(?:from|import\(|src=|href=|url\()\s*["']?(?:https?:)?//""", path.read_text()
        ), path


@pytest.fixture
def keyed(make_settings: MakeSettings) -> Iterator[httpx.Client]:
    with ApiServer(make_settings(api_keys="key-of-ann")) as server, httpx.Client(base_url=server.url) as http:
        yield http


def test_without_a_key_there_is_nothing_but_the_files(keyed: httpx.Client) -> None:
    assert keyed.get("/", headers=BROWSER).status_code == 200
    assert all(keyed.get(path).status_code == 200 for path in addresses(keyed))
    assert keyed.get("/").status_code == 401
    refused: list[tuple[str, dict[str, Any]]] = [
        ("/v1/events", {}),
        ("/v1/logs", {}),
        ("/v1/checks", {}),
        ("/v1/hub/recommended", {}),
        ("/v1/models", {"headers": BROWSER}),
    ]
    for path, options in refused:
        assert keyed.get(path, **options).status_code == 401, path
    assert keyed.post("/", headers=BROWSER).status_code == 401
    assert keyed.get("/", headers={"x-api-key": "key-of-ann"}).json()["name"] == "mlxq"


def test_under_a_foreign_name_there_is_nothing(http: httpx.Client) -> None:
    for path in ("/", addresses(http)[0], "/v1/events"):
        answer = http.get(path, headers={**BROWSER, "host": "evil.example"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "host_not_allowed")
