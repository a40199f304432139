"""Folders that another program has left half done: each request says what is wrong, and is not worth a retry."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.system import System
from tests.support.tts_checkpoints import random_qwen3_tts


def cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def cut_in_header(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])


def pointer(folder: Path) -> None:
    """As git leaves it without its extension for large files."""
    (folder / "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    )


def of_new_type(folder: Path) -> None:
    _configure(folder, model_type="brand_new")


def of_other_sizes(folder: Path) -> None:
    _configure(folder, hidden_size=128)


def without_sizes(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "qwen3"}')


def without_words(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def _configure(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


@pytest.fixture
def folder(models: Path) -> Iterator[Path]:
    folder = Path(shutil.copytree(models / "first", models / "broken"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut, "'model.safetensors' is broken or not whole"),
        (cut_in_header, "'model.safetensors' is broken or not whole"),
        (pointer, "'model.safetensors' is broken or not whole"),
        (of_new_type, "models of the type 'brand_new' are not supported"),
        (of_other_sizes, "its files do not fit each other"),
        (without_sizes, "its files do not fit each other"),
        (without_words, "its files do not fit each other"),
    ],
)
def test_a_folder_that_cannot_be_loaded_is_said_to_be_so(
    system: System, folder: Path, damage: Callable[[Path], None], reason: str
) -> None:
    damage(folder)
    chat = {"model": "broken", "max_tokens": 2, "messages": [{"role": "user", "content": "hi"}]}
    answer = system.http.post("/v1/chat/completions", json=chat)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "unsupported_model", "model")
    assert reason in error["message"]
    assert str(folder.parent) not in error["message"]


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        ("speech_tokenizer/model.safetensors", "It lacks: speech_tokenizer/*.safetensors"),
        ("speech_tokenizer/config.json", "It lacks: speech_tokenizer/config.json"),
        ("tokenizer.json", "its tokenizer could not be read"),
    ],
)
def test_no_model_speaks_noise(system: System, models: Path, lost: str, reason: str) -> None:
    folder = random_qwen3_tts(models / "speaks")
    try:
        (folder / lost).unlink()
        answer = system.http.post("/v1/audio/speech", json={"model": "speaks", "input": "Hello."})
    finally:
        shutil.rmtree(folder)
    assert answer.status_code == 400, answer.text[:300]
    assert reason in answer.json()["error"]["message"]
