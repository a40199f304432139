"""Code in a model's folder, by every way that a library is known to look for it. It leaves a marker when run."""

import json
import pickle
import py_compile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

#: A class for each kind of thing that a repository may bring along, in a module that imports like a real one's.
_SOURCE = """
open({marker!r}, "a").write("x")
from transformers import PretrainedConfig, PreTrainedTokenizerFast, ProcessorMixin
class Config(PretrainedConfig):
    model_type = "evil"
class Tokenizer(PreTrainedTokenizerFast):
    pass
class Processor(ProcessorMixin):
    pass
class ImageProcessor:
    pass
"""
_CLASSES = {
    "AutoConfig": "Config",
    "AutoFeatureExtractor": "ImageProcessor",
    "AutoImageProcessor": "ImageProcessor",
    "AutoModel": "Config",
    "AutoModelForCausalLM": "Config",
    "AutoProcessor": "Processor",
    "AutoVideoProcessor": "ImageProcessor",
}
#: Files in which transformers looks for the names of classes.
_CONFIGS = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer_config.json",
    "video_preprocessor_config.json",
)
#: Modules of a repository's own that libraries have looked for by these names.
_MODULES = (
    *(
        "__init__",
        "configuration_evil",
        "custom_generate/generate",
        "evil",
        "handler",
        "image_processing_evil",
    ),
    *("model", "modeling_evil", "pipeline", "processing_evil", "tokenization_evil"),
)
#: Files that some library opens as a pickle.
_PICKLES = (
    *("conds.pt", "model.pt", "model.pth", "pytorch_model.bin", "tokenizer.pkl", "voices/af_evil.pt"),
    *("audiovae.pth", "scheduler.bin", "training_args.bin"),
)

Edit = Callable[[dict[str, Any]], Any]


def auto_map(prefix: str = "") -> dict[str, Any]:
    """Classes of the folder's module `evil`; `org/repo--` takes it from another repository."""
    classes: dict[str, Any] = {auto: f"{prefix}evil.{name}" for auto, name in _CLASSES.items()}
    return {**classes, "AutoTokenizer": [f"{prefix}evil.Tokenizer", f"{prefix}evil.Tokenizer"]}


def plant(folder: Path, marker: Path, prefix: str = "") -> Path:
    """Code under all known names in the folder and each folder in it, named by each of their configurations."""
    source = _SOURCE.format(marker=str(marker))
    for place in (folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())):
        for name in _MODULES:
            file = place / f"{name}.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text(source)
        py_compile.compile(str(place / "evil.py"), str(place / "compiled.pyc"))
        for name in _CONFIGS:
            _edit(
                place / name, lambda config: config.update(auto_map=auto_map(prefix), trust_remote_code=True)
            )
        # Else the library's own class would be taken.
        _edit(place / "tokenizer_config.json", lambda config: config.pop("tokenizer_class", None))
    for name in _PICKLES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(pickle.dumps(_Marked(str(marker))))
    np.save(folder / "voices.npy", np.array([_Marked(str(marker))], dtype=object), allow_pickle=True)
    return folder


def with_model_file(folder: Path) -> Path:
    _edit(folder / "config.json", lambda config: config.update(model_file="model.py"))
    return folder


def unsound(folder: Path, way: str) -> Path:
    """A configuration that one reader refuses and another takes: the guard and the library must not differ."""
    file = next(
        path for name in ("tokenizer_config.json", "config.json") for path in sorted(folder.rglob(name))
    )
    text = file.read_text().rstrip()
    named = json.dumps({"auto_map": auto_map()})[1:-1]
    file.write_bytes(
        {
            "NaN": f'{text[:-1]}, {named}, "x": NaN}}'.encode(),
            "Infinity": f'{text[:-1]}, {named}, "x": -Infinity}}'.encode(),
            "twice": f'{text[:-1]}, {named}, "auto_map": {{}}}}'.encode(),
            "surrogate": f'{text[:-1]}, {named}, "x": "\\ud800"}}'.encode(),
            "huge": f'{text[:-1]}, {named}, "x": 1e999}}'.encode(),
            "digits": f'{text[:-1]}, {named}, "x": {"9" * 5000}}}'.encode(),
            "nested": f'{text[:-1]}, {named}, "x": {"[" * 5000}{"]" * 5000}}}'.encode(),
            "mark": b"\xef\xbb\xbf" + f"{text[:-1]}, {named}}}".encode(),
            "utf-16": f"{text[:-1]}, {named}}}".encode("utf-16"),
        }[way]
    )
    return folder


UNSOUND = ("NaN", "Infinity", "twice", "surrogate", "huge", "digits", "nested", "mark", "utf-16")


class _Marked:
    """A pickle of it writes the marker when it is read."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return exec, (f"open({self.marker!r}, 'a').write('x')",)


def _edit(file: Path, edit: Edit) -> None:
    if file.is_file():
        config = json.loads(file.read_text())
        edit(config)
        file.write_text(json.dumps(config))
