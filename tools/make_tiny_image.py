"""Makes models/tiny-image: a Z-Image of random weights in the hub's real layout.

    .venv/bin/python -m tools.make_tiny_image

The seed is fixed: the same version of MLX gives the same files.
"""

import argparse
from pathlib import Path

from tests.support.z_image_checkpoint import parts, randomise, write_configs, write_weights

MODEL = Path(__file__).resolve().parent.parent / "models" / "tiny-image"
SEED = 20261121


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=MODEL, help="folder of the model (default: %(default)s)")
    folder = write_configs(parser.parse_args().out)
    modules = parts(folder)
    for number, module in enumerate(modules.values()):
        randomise(module, SEED + number)
    write_weights(folder, modules)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"{folder}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
