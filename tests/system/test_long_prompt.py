"""A prompt that memory does not hold is refused by its status, with the figures; the worker goes on."""

import re
from pathlib import Path

import httpx
import pytest

from tests.support.checkpoints import random_qwen3
from tests.support.system import System

pytestmark = pytest.mark.slow


def test_a_prompt_that_is_too_long_for_this_machine_is_refused(tmp_path: Path) -> None:
    random_qwen3(tmp_path / "first", context=1 << 20)
    system = System(tmp_path, "first", MEMORY_BUDGET_GB=0.008, PROMPT_CACHE_DISK_GB=0)

    def ask(words: int, *, stream: bool = False) -> httpx.Response:
        messages = [{"role": "user", "content": "word " * words}]
        body = {"model": "first", "messages": messages, "max_tokens": 4, "stream": stream}
        return system.http.post("/v1/chat/completions", json=body)

    try:
        system.start()
        for stream in (False, True):
            refused = ask(20_000, stream=stream)
            assert refused.status_code == 400, refused.text
            error = refused.json()["error"]
            assert error["code"] == "context_length_exceeded"
            found = re.search(
                r"memory for about (\d+) tokens.*: (\d+) tokens > (\d+) maximum", error["message"]
            )
            assert found is not None, error["message"]
            assert found[1] == found[3]
            assert 512 < int(found[3]) < 20_000 < int(found[2])
        assert ask(20, stream=True).status_code == 200
    finally:
        system.stop()
