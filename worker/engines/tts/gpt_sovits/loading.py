"""Loads a GPT-SoVITS of any size from its folder: the tensors' shapes tell the sizes."""

from pathlib import Path

from config.values import JsonObject
from mlxq.catalog.families.gpt_sovits import networks_of, tokenizer_of
from mlxq.catalog.model_config import config_in
from worker.engines.tts.gpt_sovits import sovits, t2s
from worker.engines.tts.gpt_sovits.features import Bert, Hubert
from worker.engines.tts.gpt_sovits.model import FrontEnd, Model
from worker.engines.tts.gpt_sovits.weights import read


def load(path: Path, front_end: FrontEnd) -> Model:
    """The model of this folder.

    Raises ValueError when files are missing or don't fit, and NotSupported for other versions.
    """
    files, tokenizer = networks_of(path), tokenizer_of(path)
    if files is None or tokenizer is None:
        raise ValueError("files of it are missing")
    gpt, vits, hubert, bert = (read(file) for file in files)
    config = config_in(path)
    heads, rates = config.get("heads"), _rates(config)
    model = Model(
        t2s.load(gpt, heads if isinstance(heads, int) else None),
        sovits.load(vits, rates) if rates else sovits.load(vits),
        Hubert(hubert),
        Bert(bert, tokenizer),
        front_end,
    )
    _check(model)
    return model


def _rates(config: JsonObject) -> tuple[int, ...]:
    said = config.get("upsample_rates")
    return tuple(rate for rate in said if isinstance(rate, int)) if isinstance(said, list) else ()


def _check(model: Model) -> None:
    """Raises ValueError for networks that do not belong together."""
    if model.bert.width != model.t2s.features:
        raise ValueError("its BERT has other features than its GPT takes")
    if model.hubert.width != model.sovits.content:
        raise ValueError("its HuBERT has other features than its SoVITS takes")
