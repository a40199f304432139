"""Clients that give up while their prompt is read, and send the same request again: tokens read in all, and jobs.

    python -m benchmarks.resends
    python -m benchmarks.resends --quick

Each client leaves at 10, 50 and 90 % of its prompt, five times in all, and then waits for its answer. `read` counts
every token of a prompt that the model computes, also those of padding and of the template. The worker stands still at
each share until the client has left, so that the load of the machine does not move the cuts.
"""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks import preload
from tests.support.checkpoints import random_qwen3
from tests.support.counted_worker import Reading
from tests.support.impatient import SHAPES, CountedSystem, read_once

#: Where the clients leave; the last one waits.
CUTS = {"10 %": (0.1,) * 5, "50 %": (0.5,) * 5, "90 %": (0.9,) * 5, "10 to 90 %": (0.1, 0.5, 0.5, 0.9, 0.9)}
#: What may be read, over the length of the prompt.
BOUND = 1.05


def text(tokens: int, name: str) -> str:
    """One token for each character."""
    return "".join(f"{name} {number} " for number in range(tokens))[:tokens]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=16_384)
    parser.add_argument(
        "--quick", action="store_true", help="a prompt of 4,000 tokens, cut at 10 to 90 %% only"
    )
    options = parser.parse_args()
    tokens = 4_000 if options.quick else options.tokens
    cuts = {"10 to 90 %": CUTS["10 to 90 %"]} if options.quick else CUTS
    good = True
    print("| client | leaves at | prompt | read | read / prompt | jobs | one answer | seconds |")
    print("|---|---|--:|--:|--:|--:|---|--:|")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        random_qwen3(root / "models" / "reader", context=2 * tokens)
        reading = Reading(root)
        system = CountedSystem(
            root / "models", "reader", COUNTED=root, STEP_TIMEOUT=3600, **preload.environment(preload.find())
        ).start()
        try:
            for client, shape in SHAPES.items():
                for cut, shares in cuts.items():
                    began = time.monotonic()
                    story = read_once(system, reading, shape, text(tokens, f"{client} {cut}"), shares)
                    share = story.read / story.prompt
                    good = good and story.one and share <= BOUND
                    seconds, one = time.monotonic() - began, "yes" if story.one else "no"
                    cells = (client, cut, story.prompt, story.read, f"{share:.3f}", len(story.jobs), one)
                    print(f"| {' | '.join(map(str, cells))} | {seconds:.1f} |", flush=True)
        finally:
            reading.go_on()
            system.stop()
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
