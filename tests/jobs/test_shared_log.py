"""The last lines of the logs of all processes."""

import subprocess
import sys

import pytest
import redis

from config.settings import REPO
from jobs import shared_log
from jobs.redis.connection import async_connection
from jobs.shared_log import last_lines, lines_after

pytestmark = pytest.mark.anyio

#: A process that logs: more lines than are kept, and one with a key that should never have been there.
_TALKS = """
import logging, time
from config.logs import configure_logging
from config.settings import load_settings
from jobs import shared_log
from jobs.redis.connection import connection
from jobs.shared_log import SharedLog

shared_log.MOST = 5
settings = load_settings()
configure_logging("info", "worker")
SharedLog(settings, "worker").start()
log = logging.getLogger("test")
for number in range(20):
    log.info("line %d", number)
log.warning("the key is very-secret-key")
client = connection(settings.redis_address)
deadline = time.monotonic() + 60
while not client.exists("mlxq:logs") and time.monotonic() < deadline:
    time.sleep(0.02)
"""


async def test_the_last_lines_are_shared_without_secrets(redis_url: str, clean_redis: redis.Redis) -> None:
    environment = {"REDIS_URL": redis_url, "API_KEYS": "very-secret-key", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", _TALKS], cwd=REPO, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "very-secret-key" in done.stderr, "the terminal is the user's own"
    async with async_connection(redis_url) as client:
        lines = await last_lines(client, 100)
        assert [line.text.rpartition(": ")[2] for line in lines[:-1]] == [f"line {n}" for n in range(16, 20)]
        assert (lines[-1].level, lines[-1].process) == ("WARNING", "worker")
        assert lines[-1].text.endswith("the key is ***")
        assert await lines_after(client, lines[2].id, 100) == lines[3:]
    assert shared_log.MOST == 2000
