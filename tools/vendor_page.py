"""Fetches the libraries of the page from npm's registry into `api/page/static/vendor`.

    .venv/bin/python -m tools.vendor_page

Each package is pinned by the SHA-256 of its archive. Browsers resolve no bare names, so `from "preact"` becomes
`from "./preact.js"`. Nothing else of a file is changed, but for the reference to its source map.
"""

import argparse
import hashlib
import re
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "api" / "page" / "static" / "vendor"


@dataclass(frozen=True)
class Package:
    """`files` maps names in the archive to those in the folder; `licence_file` is None where the archive has none."""

    name: str
    version: str
    licence: str
    sha256: str
    files: dict[str, str]
    licence_file: str | None = "LICENSE"

    @property
    def short(self) -> str:
        return self.name.removeprefix("@").replace("/", "-")


PACKAGES = (
    Package(
        "preact",
        "11.2.0",
        "MIT",
        "3c4456766bd32b6b534d52bf4e9c2a29b33e7eedf6e96ed479300ba1a7888ebf",
        {"dist/preact.mjs": "preact.js", "hooks/dist/hooks.mjs": "hooks.js"},
    ),
    Package(
        "@preact/signals-core",
        "1.14.5",
        "MIT",
        "94c421ac996214c94f532fb4c43d8ede048a16df0cd9538ffb965174dbe8daba",
        {"dist/signals-core.mjs": "signals-core.js"},
    ),
    Package(
        "@preact/signals",
        "2.11.4",
        "MIT",
        "66ea8221dd8aaa0da2365d49c3f116b071d56cfb63b2e16c072c6b4e08a928b7",
        {"dist/signals.mjs": "signals.js"},
    ),
    Package(
        "htm",
        "3.1.1",
        "Apache-2.0",
        "2425b9bee11409177bcabc7f32e319926fc6690c1701c0b257c88bdff2d5ba90",
        {"dist/htm.mjs": "htm.js"},
    ),
    Package(
        "marked",
        "18.2.1",
        "MIT",
        "d66c5213fc203466186060105b01f51896764ba64b3797d2620d02e28e34b8ca",
        {"lib/marked.esm.js": "marked.js"},
    ),
    Package(
        "dompurify",
        "3.4.18",
        "MPL-2.0 OR Apache-2.0",
        "8b86f79c6481fec23dd81d4de32179422668912ed033c0c47e786a6e70cb3379",
        {"dist/purify.es.mjs": "purify.js"},
    ),
    Package(
        "qrcode-generator",
        "2.0.4",
        "MIT",
        "02e2e18a99a90b02dad940851f59b7c3c5fd1ab79cbdece8595cb06328878159",
        {"dist/qrcode.mjs": "qrcode.js"},
        licence_file=None,  # the head of the file names the licence and its holder
    ),
)

#: Bare names, as imports have them, and the files that they are.
_NAMES = {
    "preact": "preact.js",
    "preact/hooks": "hooks.js",
    "@preact/signals-core": "signals-core.js",
}
_IMPORT = re.compile(r'(\bfrom\s*|\bimport\s*)(["\'])([^"\'./][^"\']*)\2')
_SOURCE_MAP = re.compile(r"\n?//# sourceMappingURL=\S+\s*$")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder (default: %(default)s)")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            _unpack(package, _archive(package, Path(folder)), out)
    (out / "README.md").write_text(_table())
    for file in sorted(out.iterdir()):
        print(f"{file.stat().st_size:8,} {file.name}")


def _archive(package: Package, folder: Path) -> Path:
    """Raises ValueError where the registry's archive is another one than ours."""
    spec = f"{package.name}@{package.version}"
    done = subprocess.run(
        ["npm", "pack", spec, "--silent", "--pack-destination", str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    archive = folder / done.stdout.strip().splitlines()[-1]
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package.sha256:
        raise ValueError(f"{spec} has the checksum {found}, not {package.sha256}.")
    return archive


def _unpack(package: Package, archive: Path, out: Path) -> None:
    with tarfile.open(archive) as tar:
        for inside, name in package.files.items():
            (out / name).write_text(resolved(_text(tar, inside)))
        if package.licence_file is not None:
            (out / f"{package.short}.LICENSE").write_text(_text(tar, package.licence_file))


def _text(tar: tarfile.TarFile, name: str) -> str:
    file = tar.extractfile(f"package/{name}")
    if file is None:
        raise ValueError(f"The archive has no file {name}.")
    return file.read().decode()


def resolved(source: str) -> str:
    """A module whose imports are relative. Raises KeyError for a package that is not here."""
    source = _IMPORT.sub(lambda found: f"{found[1]}{found[2]}./{_NAMES[found[3]]}{found[2]}", source)
    return _SOURCE_MAP.sub("\n", source)


def _table() -> str:
    rows = [
        f"| {', '.join(f'`{name}`' for name in package.files.values())} | {package.name} | {package.version} "
        f"| {package.licence} |"
        for package in PACKAGES
    ]
    head = [
        "# Libraries of the page",
        "",
        "Written by `tools/vendor_page.py`; do not edit. Files of the npm registry, with their licences beside them.",
        "",
        "| File | Package | Version | Licence |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *rows, ""])


if __name__ == "__main__":
    main()
