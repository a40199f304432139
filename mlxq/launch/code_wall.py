"""The wall between data and code: no file outside of what is installed is ever run as Python.

Once `close` was called, the interpreter asks `_audit` before it runs the code of a module, loads an extension or lets
a pickle name a class (docs.python.org/3/library/sys.html#sys.addaudithook). It knows where installed code lies; which
library wants to run what, and why, it does not know. It cannot be taken down again.
"""

import importlib.machinery
import os
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from config.settings import REPO, Settings


class ForeignCode(ValueError):
    """Something tried to run code that is not part of the installation.

    A ValueError, as transformers raises where code is not trusted: some of its loaders go on without it then.
    """


#: Folders whose code may run, with the separator at their end.
_open: tuple[str, ...] = ()
#: Folders inside of them whose code may not: models, downloads, data.
_closed: tuple[str, ...] = ()
#: Modules that read only pickles which they made in this process. Numba keeps what it compiles in such.
_OWN_PICKLES = frozenset({"numba.core.serialize"})
#: Files that have been judged before.
_fine: set[str] = set()


def close_to_models(settings: Settings) -> None:
    """Close the way to code in every folder that models may lie in, and put up the wall in this process."""
    cache = settings.hub_cache
    close((*settings.model_roots, REPO / "models", settings.data_dir, cache, cache.parent / "modules"))


def close(folders: Iterable[Path] = ()) -> None:
    """Put up the wall, if there is none yet; from now on no code below these folders is run either.

    A folder that the installation itself lies in can't be closed.
    """
    global _open, _closed
    first = not _open
    if first:
        # The working folder is importable too, and may be anything.
        here = os.path.realpath(os.getcwd())
        paths = (path for path in sys.path if os.path.realpath(path) != here)
        names = {str(REPO), *paths, *sysconfig.get_paths().values()}
        _open = tuple(sorted({_folder(os.path.realpath(name)) for name in names}))
    more = {_folder(os.path.realpath(folder)) for folder in folders}
    more = {folder for folder in more if not any(each.startswith(folder) for each in _open)}
    if not more <= set(_closed):
        _closed = tuple(sorted({*_closed, *more}))
        _fine.clear()
    if first:
        sys.addaudithook(_audit)
        _watch_bytecode()


def judge(file: str) -> None:
    """Raises ForeignCode for a file that is not part of the installation."""
    if file in _fine:
        return
    path = os.path.realpath(file)
    if path.startswith(_closed) or not path.startswith(_open):
        raise ForeignCode(f"code of a model is not run: {os.path.basename(file)}")
    _fine.add(file)


def foreign(error: BaseException | None) -> bool:
    """Whether an error came of an attempt to run foreign code, however often it was wrapped."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, ForeignCode):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event == "exec":
        name = getattr(args[0], "co_filename", "<")
        # What is in angle brackets was made in memory: a named tuple's class, a template.
        if name and not name.startswith("<"):
            judge(name)
    elif event == "import":
        if args[1]:
            judge(os.fsdecode(args[1]))
    elif event == "pickle.find_class" and sys._getframe(1).f_globals.get("__name__") not in _OWN_PICKLES:
        raise ForeignCode(f"pickles are not read: one names {args[0]}.{args[1]}")


def _watch_bytecode() -> None:
    """Bytecode without a source says itself where it comes from: here its file is what counts."""
    loader: Any = importlib.machinery.SourcelessFileLoader
    get_code = loader.get_code

    def judged(self: Any, fullname: str) -> Any:
        judge(self.get_filename(fullname))
        return get_code(self, fullname)

    loader.get_code = judged


def _folder(path: str) -> str:
    return path if path.endswith(os.sep) else path + os.sep
