"""`python -m mlxq.launch.serve [redis] [api] [worker]`: these services, or all, under one supervisor.

This is what `mlxq serve` becomes. `python -m mlxq.launch.line` does the same for the lines of a Procfile.
"""

import os
import signal
import sys
from collections.abc import Sequence

from mlxq.launch import services
from mlxq.launch.names import NAMES
from mlxq.launch.supervisor import Supervisor

#: What stands before the words of a specification that has been read.
_READ = "--read"


def main(arguments: Sequence[str]) -> int:
    """The status to exit with: 0 after a stop.

    Where the settings have to be read first, this process starts over with what they say.
    """
    read: list[str] = []
    if _READ in arguments:
        place = list(arguments).index(_READ)
        arguments, read = arguments[:place], list(arguments[place + 1 :])
    names = [name for name in NAMES if not arguments or name in arguments]
    supervisor = Supervisor()
    for name in names:
        words = read if read[:1] == [name] else services.specification(name)
        if words is None:
            again = ["-m", "mlxq.launch.serve", *arguments, _READ, *services.read_specification(name)]
            os.execv(sys.executable, [sys.executable, *again])
        services.add(supervisor, words)
    code = supervisor.run()
    return 0 if code == 128 + signal.SIGTERM else code


if __name__ == "__main__":
    if _READ not in sys.argv and not set(sys.argv[1:]) <= set(NAMES):
        sys.exit(f"usage: python -m mlxq.launch.serve [{'] ['.join(NAMES)}]")
    sys.exit(main(sys.argv[1:]))
