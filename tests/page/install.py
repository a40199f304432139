"""Puts a browser and axe into a folder: `python -m tests.page.install FOLDER`, which has their package.json.

A Chromium or Chrome that is installed is used. Else npm's package `@sparticuz/chromium` is unpacked, which needs no
rights; where it has none for the machine, Debian's package is installed.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.node import NODE, NPM

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ON_MACS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
#: Unpacks the browser and the libraries that it needs beside those of every Linux.
_UNPACK = """
import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
const unpack = (from, to) =>
  pipeline(createReadStream(from), createBrotliDecompress(), createWriteStream(to, { mode: 0o755 }));
const [bin, to] = process.argv.slice(2);
await unpack(`${bin}/chromium.br`, `${to}/chromium`);
for (const name of ["al2023", "swiftshader"]) await unpack(`${bin}/${name}.tar.br`, `${to}/${name}.tar`);
"""


def main(folder: Path) -> None:
    quiet = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run([NODE, NPM, "install", *quiet], cwd=folder, check=True)
    browser = installed() or unpacked(folder) or from_debian()
    (folder / "browser").write_text(str(browser))


def installed() -> str | None:
    named = os.environ.get("CHROMIUM")
    found = (shutil.which(name) for name in (*([named] if named else []), *_PROGRAMS))
    on_macs = (path for path in _ON_MACS if Path(path).exists())
    return next((each for each in (*found, *on_macs) if each), None)


def unpacked(folder: Path) -> Path | None:
    packed = folder / "node_modules" / "@sparticuz" / "chromium" / "bin"
    if platform.system() != "Linux" or platform.machine() != "x86_64" or not packed.exists():
        return None
    place = folder / "chromium"
    place.mkdir(exist_ok=True)
    script = folder / "unpack.mjs"
    script.write_text(_UNPACK)
    subprocess.run([NODE, script, packed, place], check=True)
    for name in ("al2023", "swiftshader"):
        subprocess.run(["tar", "-xf", f"{name}.tar"], cwd=place, check=True)
    start = place / "start"
    start.write_text(
        f'#!/bin/sh\nLD_LIBRARY_PATH="{place / "lib"}:$LD_LIBRARY_PATH" exec "{place / "chromium"}" "$@"\n'
    )
    start.chmod(0o755)
    answers = subprocess.run([start, "--version"], capture_output=True).returncode == 0
    return start if answers else None


def from_debian() -> str:
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-q", "-y", "chromium"]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found = shutil.which("chromium")
    assert found is not None, "there is no Chromium"
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
