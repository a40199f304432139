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


def test_an_event_is_a_line_with_its_process() -> None:
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    loaded, failed = run.stderr.splitlines()
    assert loaded.endswith("INFO worker slots: loaded tiny")
    assert "ERROR worker slots: failed | Traceback" in failed
    assert failed.endswith("ZeroDivisionError: division by zero")
    assert logging.getLogger("slots").handlers == []
