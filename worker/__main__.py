"""`python -m worker`: one process with all lanes, until it is told to stop."""

import sys

from mlxq.launch.imports import without_collections


def main() -> int:
    with without_collections():
        from worker.process import main as run
    return run()


if __name__ == "__main__":
    sys.exit(main())
