"""Seeded requests at the whole product: no server's error, and nobody else notices."""

from pathlib import Path

import pytest

from tests.fuzz.__main__ import fuzzed_system, pids
from tests.fuzz.driver import Fuzzer

#: Of them the first; `python -m tests.fuzz` sends more.
_REQUESTS = 1_000
#: MB that a process may grow by in the second half: allocators are never quite still.
_STEADY = 25


@pytest.mark.slow
def test_no_request_hurts_the_server_or_another_request(tmp_path: Path) -> None:
    system = fuzzed_system(tmp_path)
    try:
        system.start()
        report = Fuzzer(system.url, seed=7, pids=pids(system)).run(range(_REQUESTS))
        log = system.log.read_text()
    finally:
        system.stop()
    assert not report.faults, "\n".join([*report.faults[:20], log[-4_000:]])
    assert report.sent == _REQUESTS
    # Requests of all kinds have come through: most are refused, many are served.
    assert report.statuses[200] > _REQUESTS / 10
    assert report.statuses[400] > _REQUESTS / 5
    for pid in report.memory:
        assert report.growth(pid) < _STEADY, report.memory[pid]
