"""`python -m tests.fuzz`: a long run by hand, against a stack of its own or a running server."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.fuzz.driver import Fuzzer, Report
from tests.support.system import REPO, System

#: What keeps a single odd request from holding the run up. A step of an image of the usual size takes up to 20 s of a
#: busy CPU, and a chat beside it waits for it.
SETTINGS = {"MAX_RUN_TIME": 50, "IMAGE_TIMEOUT": 20, "TRANSCRIPTION_TIMEOUT": 20, "QUEUE_LIMIT": 200}


def fuzzed_system(models: Path) -> System:
    """A system, not started, with copies of the tiny models in `models`: a deleted one is no loss."""
    for name in ("tiny-chat", "tiny-image", "tiny-whisper"):
        shutil.copytree(REPO / "models" / name, models / name)
    return System(models, "tiny-chat", HF_HUB_OFFLINE=1, LOG_LEVEL="warning", **SETTINGS)


def pids(system: System) -> list[int]:
    """The API and the worker."""
    assert system.api is not None
    assert system.worker is not None
    return [system.api.pid, system.worker.pid]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--only", type=int, nargs="*", help="send these numbers only, to see a fault again")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlxq-fuzz-") as scratch:
        system = fuzzed_system(Path(scratch))
        try:
            system.start()
            fuzzer = Fuzzer(system.url, args.seed, pids(system), args.threads)
            report = fuzzer.run(args.only or range(args.requests), told=lambda line: print(line, flush=True))
            if report.faults:
                print(system.log.read_text()[-8_000:])
        finally:
            system.stop()
    _tell(report)
    sys.exit(bool(report.faults))


def _tell(report: Report) -> None:
    print(f"{report.sent} requests: {dict(sorted(report.statuses.items()))}")
    for name, pid in zip(("API", "worker"), report.memory, strict=True):
        samples = report.memory[pid]
        if samples:
            print(
                f"{name}: {samples[0]:.0f} to {samples[-1]:.0f} MB, second half {report.growth(pid):+.1f} MB"
            )
    for fault in report.faults[:50]:
        print("FAULT", fault)
    print(f"{len(report.faults)} faults")


if __name__ == "__main__":
    main()
