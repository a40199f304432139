"""Makes a folder that mlxq loads of the files that GPT-SoVITS has: weights that torch wrote, as they were trained."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from mlxq.catalog.families.gpt_sovits import DICTIONARY, FILES, TOKENIZERS
from mlxq.cli.server import Problem
from mlxq.cli.torch_file import UnreadableFile, plain, read

#: Names of files with weights in a folder of the hub's.
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
#: Under which names a file has its tensors.
_TENSORS = ("weight", "model", "state_dict")


@dataclass(frozen=True, slots=True)
class Sources:
    """The original's files: a .ckpt, a .pth, the folders of chinese-hubert-base and chinese-roberta-wwm-ext-large.

    `dictionary`: CMU's of English pronunciations, in one of its forms.
    """

    gpt: Path
    sovits: Path
    hubert: Path
    bert: Path
    dictionary: Path | None = None


def convert(sources: Sources, target: Path) -> None:
    """Write the folder, which is not there yet. Raises Problem."""
    if target.exists():
        raise Problem(f"{target} is there already")
    tokenizer = next((sources.bert / name for name in TOKENIZERS if (sources.bert / name).is_file()), None)
    if tokenizer is None:
        raise Problem(f"{sources.bert} has no tokenizer: {' or '.join(TOKENIZERS)}")
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        config: dict[str, object] = {"model_type": "gpt_sovits", "version": "v2"}
        gpt, said = _weights(sources.gpt)
        config["heads"] = _said(said, "model", "head")
        vits, said = _weights(sources.sovits)
        config["upsample_rates"] = _said(said, "model", "upsample_rates")
        hubert, _ = _weights(_file(sources.hubert))
        bert, _ = _weights(_file(sources.bert))
        for name, tensors in zip(FILES, (gpt, vits, hubert, bert), strict=True):
            # What only training needs is left out.
            kept = {key: value for key, value in tensors.items() if not key.startswith(("enc_q.", "cls."))}
            save_file(kept, partial / name)
        known = {name: value for name, value in config.items() if value is not None}
        (partial / "config.json").write_text(json.dumps(known, indent=2) + "\n")
        shutil.copyfile(tokenizer, partial / tokenizer.name)
        if sources.dictionary is not None:
            shutil.copyfile(sources.dictionary, partial / DICTIONARY)
        partial.rename(target)
    except UnreadableFile as error:
        raise Problem(str(error)) from error
    except OSError as error:
        raise Problem(f"{error.filename or target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _file(path: Path) -> Path:
    """The weights of a folder, or the file itself."""
    if path.is_file():
        return path
    found = next((path / name for name in _WEIGHTS if (path / name).is_file()), None)
    if found is None:
        raise Problem(f"{path} has no weights: {' or '.join(_WEIGHTS)}")
    return found


def _weights(path: Path) -> tuple[dict[str, Any], object]:
    """The tensors of a file, and the configuration that is saved with them."""
    if not path.is_file():
        raise Problem(f"{path} is not there")
    if path.suffix == ".safetensors":
        return load_file(path), None
    found = read(path)
    inner = next((found[name] for name in _TENSORS if isinstance(found.get(name), dict)), found)
    tensors = {str(name): value for name, value in inner.items() if isinstance(value, np.ndarray)}
    if not tensors:
        raise Problem(f"{path} holds no tensors")
    return tensors, plain(found.get("config"))


def _said(config: object, *names: str) -> object:
    """A value of a configuration; None without it."""
    for name in names:
        config = config.get(name) if isinstance(config, Mapping) else None
    return config
