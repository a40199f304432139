"""The files and folders that the docs name are there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import REPO

DOCUMENTS = sorted([*REPO.glob("*.md"), *(REPO / "docs").glob("*.md")])
ROOTS = ("api", "benchmarks", "config", "docs", "jobs", "mlxq", "models", "tests", "tools", "worker")
#: What follows this is not there yet.
PLANNED = "### Next:"
#: A file, or a folder with a slash at its end. Names with `<…>` stand for others.
_NAME = re.compile(r"`([\w/.-]+(?:\.py|\.lua|/))`")


def named(document: Path) -> Iterator[str]:
    """Names with a folder of the repo, and modules that are named by the file only."""
    text = document.read_text()
    start, _, planned = text.partition(PLANNED)
    # The section ends with the next heading.
    _, _, rest = planned.partition("\n## ")
    for name in _NAME.findall(start + rest):
        if name.split("/")[0] in ROOTS or ("/" not in name and not name.endswith("/")):
            yield name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_the_docs_name_are_there(document: Path) -> None:
    modules = {path.name for root in ROOTS for path in (REPO / root).rglob("*.*")}
    missing = [
        name
        for name in named(document)
        if not ((REPO / name).exists() or ("/" not in name and name in modules))
    ]
    assert not missing


def test_the_names_are_read() -> None:
    assert "jobs/kinds.py" in {name for document in DOCUMENTS for name in named(document)}
