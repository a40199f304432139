"""Where the packages `api`, `config`, `jobs` and `worker` are, and the models that come with mlxq.

In a checkout they lie beside this package, and the working folder leads to them. An installed mlxq has them in
`mlxq/_roots`, which only its own processes put on their path: a program that imports mlxq can have an `api` or a
`config` of its own, and so can the folder in which mlxq is started.
"""

import os
import sys
from pathlib import Path

ROOTS = Path(__file__).resolve().parent / "_roots"


def use_roots() -> None:
    """Let this process, and those that it starts, import the packages."""
    if not ROOTS.is_dir() or str(ROOTS) in sys.path:
        return
    sys.path.insert(0, str(ROOTS))
    more = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{ROOTS}{os.pathsep}{more}" if more else str(ROOTS)
    # Else `python -m api` would run an `api` of the working folder.
    os.environ["PYTHONSAFEPATH"] = "1"
