"""A page of a real browser, and everything that it complains about."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect

#: Milliseconds for which a story waits for what it expects to see, also on a busy machine.
PATIENCE = 40_000
#: Of addresses that no server is asked for.
_LOCAL = ("blob:", "data:", "about:")

#: Chromium gives up all requests when the machine's interfaces change, which is no fault of the page.
_CHANGED = "ERR_NETWORK_CHANGED"

expect.set_options(timeout=PATIENCE)


class Watched:
    """A tab with mlxq's page. `faults` has errors of scripts, of the policy, and requests to other servers."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url if url.endswith("/") else f"{url}/"
        self.faults: list[str] = []
        self._forgiven = [_CHANGED]
        page.set_default_timeout(PATIENCE)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        page.on("request", self._see)

    def forgive(self, text: str) -> None:
        """Errors of the console with this text are meant: a refusal that the story is about."""
        self._forgiven.append(text)

    def open(self, view: str = "now") -> "Watched":
        """Load the page at a view."""
        self.page.goto("about:blank")
        before = self._changes
        self.page.goto(f"{self.url}#/{view}")
        return self if self._changes == before else self.open(view)

    def go(self, view: str) -> "Watched":
        """Go to another view of the loaded page."""
        self.page.evaluate("hash => { location.hash = hash }", f"#/{view}")
        return self

    def heading(self, text: str) -> Locator:
        return self.page.get_by_role("heading", level=1, name=text, exact=True)

    def connected(self) -> "Watched":
        """Wait until the events of the server come."""
        expect(self.page.locator(".connection.on").first).to_be_attached()
        return self

    @property
    def _changes(self) -> int:
        return sum(_CHANGED in fault for fault in self.faults)

    @property
    def wrong(self) -> list[str]:
        return [fault for fault in self.faults if not any(each in fault for each in self._forgiven)]

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _see(self, request: Request) -> None:
        if not request.url.startswith((self.url, *_LOCAL)):
            self.faults.append(f"request: {request.url}")


@contextmanager
def watched(browser: Browser, url: str, **options: object) -> Iterator[Watched]:
    """A tab of its own, with options of Playwright's context. It must have nothing to complain about."""
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})  # type: ignore[arg-type]
    try:
        tab = Watched(context.new_page(), url)
        yield tab
        assert tab.wrong == [], tab.wrong
    finally:
        context.close()
