import logging
import subprocess
import sys

CODE = """
import logging
from config.logs import configure_logging
configure_logging("info", "worker")
log = logging.getLogger("slots")
log.info("loaded %s", "tiny")
log.debug("hidden")
logging.getLogger("httpx").info("hidden")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
"""

FETCH = """
import http.server, threading
import httpx
from config.logs import configure_logging

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(302)
        self.send_header("location", "/elsewhere?signature=secret")
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_): pass

configure_logging("debug", "api")
server = http.server.HTTPServer(("127.0.0.1", 0), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
httpx.get(f"http://127.0.0.1:{server.server_port}/a?token=secret", headers={"cookie": "secret"})
"""


def test_addresses_are_not_logged_with_their_secrets() -> None:
    run = subprocess.run([sys.executable, "-c", FETCH], capture_output=True, text=True, check=True)
    assert "secret" not in run.stderr


def test_an_event_is_a_line_with_its_process() -> None:
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    loaded, failed = run.stderr.splitlines()
    assert loaded.endswith("INFO worker slots: loaded tiny")
    assert "ERROR worker slots: failed | Traceback" in failed
    assert failed.endswith("ZeroDivisionError: division by zero")
    assert logging.getLogger("slots").handlers == []


def test_what_clients_say_stays_one_harmless_line() -> None:
    code = """
import logging
from config.logs import CONCERNED, configure_logging
configure_logging("info", "api")
log = logging.getLogger("x")
log.info("app %s", "a\\n2026 ERROR fake\\x1b[2J\\u202e\\u2028\\x85\\x00")
CONCERNED.set(lambda: ["chatcmpl-1", "chatcmpl-2"])
log.info("a request failed")
log.info("job chatcmpl-1 is named once")
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said, failed, named = run.stderr.split("\n")[:3]
    assert said.endswith(r"app a | 2026 ERROR fake\x1b[2J\u202e | \x00")
    assert failed.endswith("a request failed [chatcmpl-1, chatcmpl-2]")
    assert named.endswith("job chatcmpl-1 is named once [chatcmpl-2]")
