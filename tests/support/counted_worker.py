"""A worker that counts the tokens of prompts that its Qwen3 models read, and holds on where it is told to.

`python -m tests.support.counted_worker`, with COUNTED naming a folder: `read` has the count; while `hold` has a
number that the count has reached, models stand still.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any

from worker.__main__ import main as work


class Reading:
    """The other side: what the worker has read, and where it holds on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read, self._hold = folder / "read", folder / "hold"

    @property
    def tokens(self) -> int:
        return int(self._read.read_text() or 0) if self._read.exists() else 0

    def hold(self, tokens: int) -> None:
        """Read no further than a little beyond this."""
        new = self._hold.with_suffix(".new")
        new.write_text(str(tokens))
        new.rename(self._hold)

    def go_on(self) -> None:
        self._hold.unlink(missing_ok=True)


def count(folder: Path) -> None:
    from mlx_lm.models import qwen3

    compute, read, hold = qwen3.Model.__call__, folder / "read", folder / "hold"

    def counted(self: Any, tokens: Any, *args: Any, **options: Any) -> Any:
        found = compute(self, tokens, *args, **options)
        # More than one: a prompt. A batch that decodes has one for each row.
        if tokens.shape[1] > 1:
            total = int(read.read_text() or 0) + tokens.size if read.exists() else tokens.size
            new = read.with_suffix(".new")
            new.write_text(str(total))
            new.rename(read)
            while stands_still(total):
                time.sleep(0.002)
        return found

    def stands_still(total: int) -> bool:
        try:
            return total >= int(hold.read_text())
        except FileNotFoundError:
            return False

    setattr(qwen3.Model, "__call__", counted)  # noqa: B010 (a method)


if __name__ == "__main__":
    count(Path(os.environ["COUNTED"]))
    sys.exit(work())
