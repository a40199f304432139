"""`mlxq VERB`, and `python -m mlxq VERB`: finds mlxq's own packages, then reads the command line."""

import sys
from collections.abc import Sequence

from mlxq.launch.roots import use_roots


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 1 when something went wrong, 130 after Ctrl-C."""
    use_roots()
    from mlxq.cli.program import main as run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
