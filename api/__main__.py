"""`python -m api`: serve on HOST and PORT until SIGINT or SIGTERM."""

import sys

from mlxq.launch.imports import without_collections


def main() -> int:
    with without_collections():
        from api.process import main as run
    return run()


if __name__ == "__main__":
    sys.exit(main())
