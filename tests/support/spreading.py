"""How tests are spread over processes: what takes longest is begun first, and what shares systems stays together."""

import pytest
from xdist.scheduler import LoadFileScheduling

#: Packages and files that take longest, in the order in which they are begun: no process is left with one at the end.
_LONGEST = (
    "fuzz",
    "conformance",
    "system/test_chaos.py",
    "clients",
    "test_container.py",
    "system",
    "docs",
    "machines",
    "gateway",
    "engines",
    "test_launch.py",
    "test_wheel.py",
    "worker",
)
#: Packages whose files share running systems, which one process starts: it gets all of their files.
_TOGETHER = ("clients", "conformance")


def sort(items: list[pytest.Item]) -> None:
    """What takes longest first."""
    items.sort(key=lambda item: _place(item.nodeid))


class Scheduling(LoadFileScheduling):  # type: ignore[misc]
    """As `--dist loadfile`, but for the packages that stay together."""

    def _split_scope(self, nodeid: str) -> str:
        package = _file(nodeid).partition("/")[0]
        return package if package in _TOGETHER else super()._split_scope(nodeid)


def _place(nodeid: str) -> int:
    file = _file(nodeid)
    names = [name for name in (file, file.partition("/")[0]) if name in _LONGEST]
    return _LONGEST.index(names[0]) if names else len(_LONGEST)


def _file(nodeid: str) -> str:
    """Its file below tests."""
    return nodeid.partition("::")[0].removeprefix("tests/")
