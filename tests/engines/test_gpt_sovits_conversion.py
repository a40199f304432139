"""The original's files become a folder that is loaded, and what they say is never run."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from mlxq.catalog.families.gpt_sovits import FILES, dictionary_of
from mlxq.catalog.installed import read_model
from mlxq.cli.convert import Sources, convert
from mlxq.cli.server import Problem
from mlxq.cli.torch_file import StandIn, UnreadableFile, plain, read
from tests.support.gpt_sovits_checkpoint import NETWORKS, TINY, TOKENS
from tests.support.torch_files import torch_save
from worker.engines.tts.gpt_sovits.loading import load
from worker.engines.tts.gpt_sovits.text.dictionary import Dictionary

SEED = 3


class Hparams:
    """As the original saves its configuration: an object of a class of its own."""

    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)


class Evil:
    """A file that wants a program to be run."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self.marker}'",)


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sources:
    """A .ckpt, a .pth in half precision, and two folders of the hub's."""
    drawn = {name: draw(TINY, SEED) for name, draw in NETWORKS.items()}
    half = {name: value.astype(np.float16) for name, value in drawn["sovits"].items()}
    half["enc_q.pre.weight"] = np.zeros((4, 4), np.float16)
    model = Hparams(upsample_rates=[10, 8, 2, 2, 2], inter_channels=TINY.channels)
    folders = {}
    for name in ("hubert", "bert"):
        folders[name] = tmp_path / f"chinese-{name}"
        folders[name].mkdir()
        torch_save(folders[name] / "pytorch_model.bin", drawn[name], monkeypatch)
    (folders["bert"] / "vocab.txt").write_text("\n".join(TOKENS), encoding="utf-8")
    gpt = {"weight": drawn["gpt"], "config": {"model": {"head": 2, "n_layer": 2}}, "info": "GPT-e15"}
    vits = {"weight": half, "config": Hparams(model=model), "info": "8epoch_1000iteration"}
    return Sources(
        gpt=torch_save(tmp_path / "voice-e15.ckpt", gpt, monkeypatch),
        sovits=torch_save(tmp_path / "voice_e8_s1000.pth", vits, monkeypatch),
        hubert=folders["hubert"],
        bert=folders["bert"],
    )


def test_the_originals_files_become_a_model(sources: Sources, tmp_path: Path) -> None:
    target = tmp_path / "roots" / "my-voice"
    convert(sources, target)
    assert {file.name for file in target.iterdir()} == {*FILES, "config.json", "vocab.txt"}
    config = json.loads((target / "config.json").read_text())
    assert config == {
        "model_type": "gpt_sovits",
        "version": "v2",
        "heads": 2,
        "upsample_rates": [10, 8, 2, 2, 2],
    }
    gpt = load_file(target / "gpt.safetensors")
    assert all((gpt[name] == value).all() for name, value in NETWORKS["gpt"](TINY, SEED).items())
    assert "enc_q.pre.weight" not in load_file(target / "sovits.safetensors")
    found = read_model(target, "my-voice")
    assert found is not None
    assert (found.model_type, found.category) == ("gpt_sovits", "tts")
    assert load(target, lambda text, language: []).t2s.features == TINY.text
    with pytest.raises(Problem, match="there already"):
        convert(sources, target)


def test_the_originals_dictionary_is_read(sources: Sources, tmp_path: Path) -> None:
    ours = tmp_path / "cmudict.rep"
    ours.write_text(
        ";;; # CMUdict\nFOX  F AA1 K S\nTOMATO  T AH0 - M EY1 - T OW2\nTOMATO(1)  T AH0 - M AA1 - T OW2\n"
    )
    target = tmp_path / "roots" / "my-voice"
    convert(replace(sources, dictionary=ours), target)
    file = dictionary_of(target)
    assert file is not None
    found = Dictionary.read(file)
    assert found.readings("Fox") == [["F", "AA1", "K", "S"]]
    assert [reading[3] for reading in found.readings("tomato")] == ["EY1", "AA1"]
    assert found.readings("absent") == []
    file.write_text("{}")
    with pytest.raises(ValueError, match="no dictionary"):
        Dictionary.read(file)
    with pytest.raises(Problem, match="No such file"):
        convert(replace(sources, dictionary=tmp_path / "absent"), tmp_path / "roots" / "other")


def test_what_a_file_says_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "marker"
    file = torch_save(
        tmp_path / "evil.pth",
        {"weight": {"a": np.ones((2, 3), np.float32)}, "config": Evil(marker)},
        monkeypatch,
    )
    found = read(file)
    assert (found["weight"]["a"] == np.ones((2, 3))).all()
    assert isinstance(found["config"], StandIn)
    assert plain(found["config"]) == {}
    assert not marker.exists()


def test_tensors_are_those_of_their_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = np.arange(12, dtype=np.int64).reshape(3, 4)
    file = torch_save(
        tmp_path / "a.pth", {"turned": numbers.T, "half": numbers.astype(np.float16)}, monkeypatch
    )
    found = read(file)
    assert (found["turned"] == numbers.T).all()
    assert (found["half"] == numbers).all()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableFile, match="damaged"):
        read(file)


@pytest.mark.parametrize(
    ("head", "words"), [(b"05", "v2Pro"), (b"04", "v4"), (b"\x80\x02", "torch before 1.6")], ids=str
)
def test_other_files_are_named(head: bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "s2G.pth"
    file.write_bytes(head + b"\0" * 64)
    with pytest.raises(UnreadableFile, match=words):
        read(file)


def test_nothing_is_left_of_a_failed_conversion(sources: Sources, tmp_path: Path) -> None:
    sources.sovits.write_bytes(b"06" + sources.sovits.read_bytes()[2:])
    target = tmp_path / "roots" / "my-voice"
    with pytest.raises(Problem, match="v2ProPlus"):
        convert(sources, target)
    assert list((tmp_path / "roots").iterdir()) == []
