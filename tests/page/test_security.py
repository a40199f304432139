"""What others have written stays text, and who has no key sees nothing."""

import http.server
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.page.models import DANGEROUS
from tests.page.watched import Watched, watched
from tests.support.hub import Hub
from tests.support.hub_listing import HubListing, listed
from tests.support.stories import outcome
from tests.support.system import REPO, System

#: If any of it became markup, a script would run or an image be asked for.
MARKUP = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script><b id=hurt>bold</b>'
#: What Markdown may hold and a browser must not get.
HOSTILE = (
    "\n\n[a](javascript:alert(1)) <iframe src=//evil.example></iframe><form action=//evil.example></form>"
)


def unharmed(tab: Watched) -> None:
    assert tab.page.evaluate("window.hurt") is None
    expect(tab.page.locator("#hurt")).to_have_count(0)


def test_markup_of_prompts_and_apps_stays_text(
    tab: Watched, tidy: System, submit: Callable[..., str]
) -> None:
    done = submit(MARKUP, app="<b id=hurt>app</b>", max_tokens=4)
    outcome(tidy, done)
    tidy.http.post("/v1/queue/pause?queue=llm")
    waits = submit(MARKUP, app="<b id=hurt>app</b>")
    tab.open()
    expect(tab.page.locator(f'[data-job="{waits}"]')).to_contain_text("<b id=hurt>app</b>")
    unharmed(tab)
    tab.go("history")
    expect(tab.page.get_by_role("main")).to_contain_text("<b id=hurt>app</b>")
    unharmed(tab)
    tab.go(f"jobs/{waits}")
    expect(tab.page.get_by_role("main")).to_contain_text("<script>window.hurt=1</script>")
    unharmed(tab)


def test_markup_of_a_models_answer_is_made_harmless(tab: Watched, tidy: System) -> None:
    """What remains of markup in Markdown are harmless elements: no script, handler, frame or form."""
    tab.open("chat")
    shown = tab.page.evaluate(
        """async (text) => {
            const here = document.querySelector("script").src.replace("app.js", "");
            const { html, render } = await import(`${here}lib.js`);
            const { Markdown } = await import(`${here}parts/markdown.js`);
            const box = document.body.appendChild(document.createElement("div"));
            render(html`<${Markdown} text=${text} />`, box);
            return new Promise((done) => setTimeout(() => done(box.innerHTML), 100));
        }""",
        MARKUP + HOSTILE,
    )
    assert "bold" in shown
    assert 'href="javascript:' not in shown
    for name in ("<script", "<iframe", "<form", "<img", "<b "):
        assert name not in shown
    assert tab.page.evaluate("window.hurt") is None


def test_markup_of_a_models_name_stays_text(tab: Watched, tidy: System, submit: Callable[..., str]) -> None:
    done = submit(model=DANGEROUS)
    assert outcome(tidy, done)["model"] == DANGEROUS
    tab.open().connected()
    expect(tab.page.locator(f".ended [data-job='{done}']")).to_contain_text(DANGEROUS)
    unharmed(tab)
    for view in ("history", "models", "usage?by=model", f"jobs/{done}"):
        tab.go(view)
        expect(tab.page.get_by_role("main")).to_contain_text(DANGEROUS)
        unharmed(tab)
    tab.go("chat")
    tab.page.get_by_label("Model", exact=True).select_option(DANGEROUS)
    tab.page.get_by_label("Message", exact=True).fill("Hello")
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator(".message.assistant .facts")).to_contain_text(DANGEROUS)
    unharmed(tab)


def test_markup_of_file_names_stays_text(tab: Watched) -> None:
    name = "<img src=x onerror=hurt=1><b id=hurt>file.txt"
    tab.open("chat").page.get_by_label("Model", exact=True).select_option("talker")
    tab.page.locator(".composer input[type=file]").set_input_files(
        {"name": name, "mimeType": "text/plain", "buffer": b"Hello"}
    )
    expect(tab.page.get_by_label("Attached")).to_contain_text(name)
    unharmed(tab)
    tab.page.get_by_role("button", name="Send (Enter)").click()
    expect(tab.page.locator(".message.user")).to_contain_text(name)
    unharmed(tab)

    tab.go("audio")
    tab.forgive("400")
    tab.page.locator(".drop input[type=file]").set_input_files(
        {"name": name, "mimeType": "audio/wav", "buffer": b"no sound"}
    )
    transcript = tab.page.get_by_role("region", name="Transcript")
    expect(transcript.get_by_role("heading")).to_have_text(name)
    expect(transcript.get_by_role("alert")).to_be_visible()
    unharmed(tab)

    tab.go("images")
    tab.page.locator(".drop input[type=file]").set_input_files(
        {"name": name, "mimeType": "text/plain", "buffer": b"no image"}
    )
    expect(tab.page.get_by_role("log", name="Notices")).to_contain_text(f"{name} is no image.")
    unharmed(tab)


def test_markup_of_the_hub_stays_text(tab: Watched, hub: Hub) -> None:
    name = "mlx-community/<b id=hurt>model"
    with HubListing(listed(name)) as listing:
        hub.listing = listing.url
        try:
            search = tab.open("models").connected().page.get_by_role("region", name="Search the hub")
            search.get_by_role("button", name="Search").click()
            expect(search.get_by_role("table")).to_contain_text(name)
            unharmed(tab)
            tab.forgive("status of 4")
            search.get_by_role("button", name=f"Get {name}").click()
            expect(tab.page.get_by_role("log", name="Notices")).to_contain_text("Invalid 'repo_id'")
            unharmed(tab)
        finally:
            hub.listing = None


@pytest.fixture(scope="module")
def keyed() -> Iterator[System]:
    running = System(REPO / "models", "tiny-chat", API_KEYS="key-of-ann", ADMIN_KEYS="key-of-chief")
    running.http.headers["authorization"] = "Bearer key-of-chief"
    try:
        # Nothing here is about jobs.
        running.redis.start()
        running.start_api()
        yield running
    finally:
        running.stop()


def test_without_a_key_there_is_only_the_login(browser: Browser, keyed: System) -> None:
    with watched(browser, keyed.url) as tab:
        tab.forgive("401")
        asked: list[str] = []
        tab.page.on("response", lambda answer: asked.append(answer.url) if answer.ok else None)
        tab.open("logs")
        field = tab.page.get_by_label("API key")
        expect(field).to_be_visible()
        expect(tab.page.get_by_role("navigation")).to_have_count(0)
        assert all(url.startswith((f"{tab.url}page/", tab.url + "#")) or url == tab.url for url in asked), (
            asked
        )
        field.fill("wrong")
        field.press("Enter")
        expect(tab.page.get_by_role("alert")).to_contain_text("does not accept")
        field.fill("key-of-chief")
        field.press("Enter")
        tab.connected()
        expect(tab.heading("Logs")).to_be_visible()
        expect(tab.page.get_by_role("log", name="Lines")).to_contain_text("listening on")
        assert "key-of-chief" not in tab.page.evaluate("JSON.stringify(localStorage) + document.cookie")
        tab.page.reload()
        expect(tab.heading("Logs")).to_be_visible()


class _Proxy(http.server.BaseHTTPRequestHandler):
    """Serves a server below `/ai`, as a proxy does that cuts the path off, or a foreign page that wants to use it."""

    protocol_version = "HTTP/1.1"
    target = ""

    def do_GET(self) -> None:
        if self.path == "/evil":
            self._send(200, {"content-type": "text/html"}, iter([b"<!doctype html><title>evil</title>"]))
            return
        if not self.path.startswith("/ai/"):
            self.send_error(404)
            return
        length = int(self.headers.get("content-length") or 0)
        kept = {
            name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")
        }
        host = self.headers["host"]
        more = {"x-forwarded-prefix": "/ai", "x-forwarded-host": host, "x-forwarded-for": "127.0.0.1"}
        with httpx.stream(
            self.command,
            self.target + self.path.removeprefix("/ai"),
            headers={**kept, **more},
            content=self.rfile.read(length),
            timeout=60,
        ) as answer:
            self._send(answer.status_code, dict(answer.headers), answer.iter_raw())

    do_POST = do_GET

    def _send(self, status: int, headers: dict[str, str], pieces: Iterator[bytes]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                self.send_header(name, value)
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for piece in pieces:
            self.wfile.write(piece)
            self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def proxy(keyed: System) -> Iterator[str]:
    handler = type("Handler", (_Proxy,), {"target": keyed.url})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_works_below_a_path_of_a_proxy(browser: Browser, keyed: System, proxy: str) -> None:
    with watched(browser, f"{proxy}/ai/") as tab:
        tab.forgive("401")
        tab.open("connect")
        tab.page.get_by_label("API key").fill("key-of-chief")
        tab.page.keyboard.press("Enter")
        tab.connected()
        expect(tab.page.get_by_label("Lines for Claude Code", exact=True)).to_contain_text(f"{proxy}/ai ")
        tab.go("logs")
        expect(tab.page.get_by_role("log", name="Lines")).to_contain_text("listening on")


def test_a_page_of_another_origin_gets_nothing(browser: Browser, system: System, proxy: str) -> None:
    page = browser.new_page()
    page.goto(f"{proxy}/evil")
    for path in ("v1/events", "v1/jobs", "v1/logs", "v1/checks", "v1/settings"):
        status = page.evaluate(
            "url => fetch(url).then((answer) => answer.status, () => 0)", f"{system.url}/{path}"
        )
        assert status in (0, 403), path
    framed = page.evaluate(
        """url => new Promise((done) => {
            const frame = document.createElement("iframe");
            frame.onload = () => {
                try { done(frame.contentDocument?.title ?? "closed"); } catch { done("closed"); }
            };
            frame.src = url;
            document.body.append(frame);
        })""",
        f"{system.url}/",
    )
    assert framed in ("closed", "")
    assert not any(
        "mlxq" in (frame.title() or "") for frame in page.frames[1:] if "chrome-error" not in frame.url
    )
    page.context.close()
