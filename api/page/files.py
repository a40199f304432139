"""The files of the page, as they are sent. It knows no request.

The address of a file has the version of all of them, so that browsers keep files for good and never mix two versions.
"""

import gzip
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

STATIC = Path(__file__).with_name("static")
#: The content types of files that are served, by how they end. Licences and notes are not.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: The file that the others belong to.
_INDEX = "index.html"
#: In it the place of the scripts that are needed at once, and the two that import the others.
_MODULES = b"<!-- modules -->\n"
_FIRST = ("app.js", "views/now.js")
_IMPORT = re.compile(rb'\bfrom *"(\.[^"]+)"')


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file with its gzip form and its ETag."""

    content: bytes
    compressed: bytes
    content_type: str
    etag: str

    @classmethod
    def of(cls, content: bytes, content_type: str) -> "PageFile":
        digest = sha256(content).hexdigest()[:20]
        return cls(content, gzip.compress(content, mtime=0), content_type, f'"{digest}"')


@dataclass(frozen=True, slots=True)
class PageFiles:
    """`index` is what a browser gets at `/`; `files` are the others by their paths."""

    version: str
    index: PageFile
    files: dict[str, PageFile]


@cache
def page_files() -> PageFiles:
    """Read once, by the first browser."""
    found = {
        path.relative_to(STATIC).as_posix(): (path.read_bytes(), _TYPES[path.suffix])
        for path in sorted(STATIC.rglob("*"))
        if path.is_file() and path.suffix in _TYPES
    }
    whole = sha256(b"".join(name.encode() + content for name, (content, _) in found.items()))
    version = whole.hexdigest()[:12]
    index, content_type = found.pop(_INDEX)
    scripts = _imported({name: content for name, (content, _) in found.items()}, *_FIRST)
    links = "".join(f'<link rel="modulepreload" href="page/{name}">\n' for name in scripts)
    index = index.replace(_MODULES, links.encode())
    # Relative, as the server may be below a path of a proxy.
    index = index.replace(b'="page/', f'="page/{version}/'.encode())
    files = {name: PageFile.of(content, kind) for name, (content, kind) in found.items()}
    return PageFiles(version, PageFile.of(index, content_type), files)


def _imported(files: Mapping[str, bytes], *names: str) -> Sequence[str]:
    """These scripts and all that they import. A browser that knows them need not read one to ask for the next."""
    known = list(names)
    for name in known:
        for path in _IMPORT.findall(files[name]):
            imported = posixpath.normpath(posixpath.join(posixpath.dirname(name), path.decode()))
            if imported not in known:
                known.append(imported)
    return known
