"""Selects the files of a repository to download: those that MLX can use, without weights of other frameworks."""

from pathlib import PurePosixPath

from jobs.errors import InvalidRequest
from mlxq.catalog.families.family import Family
from mlxq.catalog.families.table import families
from mlxq.downloads.sources import RemoteFile

#: Weights that MLX loads.
_WEIGHTS = (".safetensors", ".npz")
#: Weights for other frameworks, programs (mlxq runs none that comes with a model), and images of the model's page.
_OTHERS = frozenset(
    {".bin", ".ckpt", ".ggml", ".gguf", ".h5", ".mlmodel", ".msgpack", ".nemo", ".onnx", ".onnx_data", ".ot"}
    | {".pb", ".pth", ".tar", ".tflite", ".zip", ".ipynb", ".py"}
    | {".gif", ".jpeg", ".jpg", ".mp4", ".pdf", ".png", ".svg", ".webp"}
)
_OTHER_FOLDERS = frozenset({"coreml", "flax", "gguf", "onnx", "openvino", "original", "tensorrt"})


def wanted(repo_id: str, files: tuple[RemoteFile, ...]) -> list[RemoteFile]:
    """The files to download. Raises InvalidRequest when none holds weights that MLX can load."""
    chosen = [file for file in files if _useful(PurePosixPath(file.path))]
    weights = [file for file in chosen if file.path.endswith(_WEIGHTS)]
    if not weights:
        raise InvalidRequest(
            f"The repository '{repo_id}' has no weights that MLX can load (.safetensors or .npz).",
            param="model",
            code="unsupported_model",
        )
    if any(PurePosixPath(file.path).name.startswith("model") for file in weights):
        # `consolidated*` holds the same weights in their authors' format.
        chosen = [file for file in chosen if not file.path.startswith("consolidated")]
    if any(file.path == "model_index.json" for file in chosen):
        # A model in parts, each in a folder. Weights at the top hold the same in one file.
        chosen = [file for file in chosen if "/" in file.path or not file.path.endswith(_WEIGHTS)]
    names = {file.path for file in chosen}
    unneeded = frozenset[str]().union(*(family.unneeded_files(names) for family in families(Family)))
    return [file for file in chosen if file.path not in unneeded]


def _useful(path: PurePosixPath) -> bool:
    if path.name.startswith(".git") or path.suffix.lower() in _OTHERS:
        return False
    if path.suffix == ".pt" and "voices" not in path.parts:
        return False
    return not any(part.lower() in _OTHER_FOLDERS for part in path.parts[:-1])
