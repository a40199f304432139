"""Where the packages `api`, `config`, `jobs` and `worker` are, and the models that come with mlxq.

In a checkout they lie beside mlxq, where whatever imports mlxq finds them too. An installed mlxq has them in
`mlxq/_roots`, which only its own processes put on their path: a program that imports mlxq can have an `api` or a
`config` of its own, and so can the folder in which mlxq is started.
"""

import os
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_INSTALLED = _PACKAGE / "_roots"
ROOTS = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent


def use_roots() -> None:
    """Let this process, and those that it starts, import the packages."""
    if str(ROOTS) in sys.path:
        return
    sys.path.insert(0, str(ROOTS))
    more = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{ROOTS}{os.pathsep}{more}" if more else str(ROOTS)
    # Else `python -m api` would run an `api` of the working folder.
    os.environ["PYTHONSAFEPATH"] = "1"


def environment() -> dict[str, str]:
    """The environment without what `use_roots`, or the command of a checkout, has added: for programs of others."""
    kept = dict(os.environ)
    paths = kept.get("PYTHONPATH", "").split(os.pathsep)
    if str(ROOTS) in paths:
        kept["PYTHONPATH"] = os.pathsep.join(path for path in paths if path != str(ROOTS))
        if not kept["PYTHONPATH"]:
            del kept["PYTHONPATH"]
        kept.pop("PYTHONSAFEPATH", None)
    return kept
