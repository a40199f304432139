"""`python -m mlxq.launch.start`: `honcho start`, ended by Ctrl-C without an error.

honcho ends with 130 after Ctrl-C, which `make` would report as a failure of its recipe.
"""

import sys

from honcho.command import main

INTERRUPTED = 130

if __name__ == "__main__":
    sys.argv = ["honcho", "start", *sys.argv[1:]]
    try:
        main()
    except SystemExit as end:
        if end.code != INTERRUPTED:
            raise
