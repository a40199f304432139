"""Screenshots of each view for docs/page.md and the README: `python -m tools.page_screenshots [FOLDER]`.

They show a system with some life in it: several apps, jobs that run, wait and have ended, pictures. The browser is
that of `make .venv/page.stamp`. Files are WebP, below `LARGEST` bytes.
"""

import io
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.page.conftest import FOLDER, OPTIONS
from tests.support.hub import Hub
from tests.support.hub_listing import HubListing, listed
from tests.support.system import REPO, System

PLACE = REPO / "docs" / "images"
LARGEST = 60_000
VIEWS = (
    *("now", "history", "job", "chat", "images", "audio"),
    *("models", "usage", "connect", "health", "settings", "logs"),
)
#: Those that are also shown on a phone, in the dark.
ON_PHONES = ("now", "chat")
DESKTOP: dict[str, Any] = {"viewport": {"width": 1120, "height": 700}, "color_scheme": "light"}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 780},
    "color_scheme": "dark",
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
APPS = ("Open WebUI", "Zed", "Raycast", "n8n", "claude-code")


def chat(system: System, app: str, text: str, **more: Any) -> str:
    body = {"model": "default", "messages": [{"role": "user", "content": text}], "background": True, **more}
    answer = system.http.post("/v1/chat/completions", json=body, headers={"X-App": app}).raise_for_status()
    return str(answer.json()["id"])


def picture(system: System, app: str, text: str, **more: Any) -> str:
    body = {"model": "tiny-image", "prompt": text, "size": "128x128", "background": True, **more}
    answer = system.http.post("/v1/images/generations", json=body, headers={"X-App": app}).raise_for_status()
    return str(answer.json()["id"])


def enliven(system: System) -> str:
    """Let it have a past and a present. Returns a job that has ended."""
    done = ""
    for number, app in enumerate(APPS * 2):
        done = chat(system, app, f"What is the capital of country number {number}?", max_tokens=24)
    picture(system, "ComfyUI", "A lighthouse at dusk", steps=4)
    system.wait_until(lambda: _idle(system), "it does not get idle")
    for each in ("normal", "background"):
        system.http.post(f"/v1/queue/pause?queue=llm&service_class={each}").raise_for_status()
    for number, app in enumerate(APPS):
        chat(system, app, f"Summarise chapter {number}.", priority="low" if number % 2 else "normal")
    picture(system, "ComfyUI", "A fox in the snow, watercolour", steps=50, n=10)
    for text in ("A harbour", "A forest"):
        picture(system, "Draw Things", text, steps=20)
    return done


def _idle(system: System) -> bool:
    queues = system.http.get("/v1/queue/stats").json()["queues"].values()
    return not any(queue["waiting"] + queue["running"] for queue in queues)


def save(page: Page, path: Path) -> None:
    """The colours of a page are few: without a loss if it is small enough, else in the best quality that is."""
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    ways: list[tuple[Image.Image, dict[str, Any]]] = [
        (image.quantize(colors).convert("RGB"), {"lossless": True}) for colors in (256, 64, 32)
    ]
    ways += [(image, {"quality": quality}) for quality in (80, 60, 40, 20)]
    for each, options in ways:
        made = io.BytesIO()
        each.save(made, "webp", method=6, **options)
        if made.tell() <= LARGEST:
            break
    path.write_bytes(made.getvalue())
    print(f"{path.name}: {made.tell()} bytes {options}")


def shoot(browser: Browser, system: System, done: str, folder: Path) -> None:
    for suffix, options in (("", DESKTOP), ("-phone", PHONE)):
        context = browser.new_context(**options)
        page = context.new_page()
        page.goto(f"{system.url}/#/now")
        page.locator(".connection.on").first.wait_for(state="attached")
        page.evaluate("localStorage.setItem('mlxq.starter_done', 'true')")
        page.reload()
        for view in ON_PHONES if suffix else VIEWS:
            hash_ = f"#/jobs/{done}" if view == "job" else f"#/{view}"
            page.evaluate("hash => { location.hash = hash }", hash_)
            page.locator("main h1").wait_for(state="attached")
            if view == "chat":
                page.get_by_label("Message", exact=True).fill("What is the capital of Spain?")
                page.locator("button[aria-label^=Send]").click()
                page.get_by_text("tokens/s").wait_for(timeout=60_000)
            page.wait_for_timeout(1500)
            save(page, folder / f"{view}{suffix}.webp")
        context.close()


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PLACE
    folder.mkdir(parents=True, exist_ok=True)
    listing = HubListing(
        *(
            listed(f"mlx-community/{name}", downloads=downloads)
            for name, downloads in (
                ("Qwen3-8B-4bit", 51_000),
                ("Llama-3.3-70B-Instruct-4bit", 42_000),
                ("gemma-3-12b-it-4bit", 23_000),
                ("Mistral-Small-24B-Instruct-4bit", 12_000),
            )
        )
    )
    with Hub() as hub, listing:
        hub.listing = listing.url
        system = System(REPO / "models", "tiny-chat", HF_ENDPOINT=hub.url)
        try:
            system.start()
            done = enliven(system)
            with sync_playwright() as playwright:
                program = (FOLDER / "browser").read_text()
                browser = playwright.chromium.launch(executable_path=program, args=[*OPTIONS])
                shoot(browser, system, done, folder)
                browser.close()
        finally:
            system.stop()


if __name__ == "__main__":
    main()
