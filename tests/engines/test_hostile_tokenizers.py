"""A tokenizer that makes too much of a text is refused, and one that fails on a text fails only that request."""

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from config.settings import Settings
from jobs.errors import InvalidRequest
from jobs.kinds import Category
from jobs.payloads import ChatPayload
from jobs.questions import Detokenize, Tokenize
from mlxq.catalog import ModelRef
from tests.support.checkpoints import random_qwen3
from tests.support.payloads import typed
from tests.support.steps import result_of, until_ended
from worker.engines import ENGINES, load_reader
from worker.engines.base import Failed
from worker.guard import opened

LONG = "a" * 1001


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_qwen3(tmp_path_factory.mktemp("tokenizers") / "qwen3", context=32_768)


@pytest.fixture
def changed(qwen3: Path, tmp_path: Path) -> Callable[..., ModelRef]:
    def with_parts(**parts: Any) -> ModelRef:
        folder = Path(shutil.copytree(qwen3, tmp_path / "models" / "qwen3"))
        content = json.loads((folder / "tokenizer.json").read_text())
        (folder / "tokenizer.json").write_text(json.dumps(content | parts))
        return ModelRef("qwen3", folder)

    return with_parts


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", model_roots=(tmp_path / "models",))


def replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def chain(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": list(steps)}


def mapped(text: str) -> dict[str, Any]:
    table = (4).to_bytes(4, "little") + bytes(4) + text.encode() + b"\0"
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(table).decode()}


def around(pieces: int, ids: int) -> dict[str, Any]:
    piece = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    token = {"id": "<s>", "ids": [0] * ids, "tokens": ["<s>"] * ids}
    return {
        "type": "TemplateProcessing",
        "single": [piece] * pieces,
        "pair": [],
        "special_tokens": {"<s>": token},
    }


@pytest.mark.parametrize(
    "parts",
    [
        {"normalizer": replace({"String": "a"}, LONG)},
        {"normalizer": chain(*[replace({"String": "a"}, "a" * 40)] * 2)},
        {"normalizer": chain(*[replace({"Regex": ""}, "a")] * 30)},
        {"normalizer": {"type": "Prepend", "prepend": LONG}},
        {"normalizer": mapped(LONG)},
        {
            "normalizer": replace({"String": "a"}, "a" * 40),
            "pre_tokenizer": chain(*[{"type": "ByteLevel"}] * 3),
        },
        {"decoder": {"type": "Sequence", "decoders": [replace({"String": "a"}, LONG)]}},
        {"post_processor": around(40, 40)},
        {"post_processor": {"type": "Sequence", "processors": [around(1001, 1)]}},
    ],
)
def test_what_makes_too_much_of_a_text_is_refused(
    changed: Callable[..., ModelRef], settings: Settings, parts: dict[str, Any]
) -> None:
    with (
        pytest.raises(InvalidRequest, match="has a tokenizer that") as refused,
        opened(changed(**parts), settings),
    ):
        pass
    assert refused.value.code == "unsupported_model"


@pytest.mark.parametrize(
    "parts",
    [
        {
            "normalizer": chain(
                replace({"Regex": " {2,}"}, "▁"), {"type": "NFKC"}, replace({"String": " "}, "▁")
            )
        },
        {"normalizer": chain(*[replace({"String": f"{number}"}, "x") for number in range(200)])},
        {"normalizer": mapped("صلى الله عليه وسلم")},
        {
            "normalizer": None,
            "decoder": [],
            "post_processor": {"type": 1, "special_tokens": {"a": {"ids": 1}}},
        },
    ],
)
def test_others_are_not(changed: Callable[..., ModelRef], settings: Settings, parts: dict[str, Any]) -> None:
    with opened(changed(**parts), settings) as viewed:
        assert viewed.path


@pytest.fixture
def slow(changed: Callable[..., ModelRef]) -> ModelRef:
    """Its pattern takes for ever on some texts: the library gives up, and panics."""
    split = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}
    letters = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    ref = changed(pre_tokenizer={"type": "Sequence", "pretokenizers": [split, letters]})
    assert ref.path
    file = ref.path / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}))
    return ref


def asked(text: str) -> ChatPayload:
    payload = {"messages": [{"role": "user", "content": text}], "max_tokens": 2, "ignore_eos": True}
    return cast(ChatPayload, typed(payload | {"temperature": 0}))


def test_a_text_that_a_pattern_can_not_bear_fails_alone(slow: ModelRef, settings: Settings) -> None:
    engine = ENGINES[Category.LLM](slow, settings)
    texts = {"before": "hi", "long": "hi " * 6000 + "a" * 60 + "b", "after": "hi"}
    for name, text in texts.items():
        engine.add(name, asked(text), seed=1)
    with pytest.raises(ValueError, match="retry-limit"):
        engine.add("short", asked("a" * 60 + "b"), seed=1)
    ended = until_ended(engine, *texts)
    engine.close()
    assert [name for name, end in ended.items() if isinstance(end, Failed)] == ["long"]
    assert result_of(ended["before"])["choices"] == result_of(ended["after"])["choices"]


def test_a_question_for_its_tokens_fails_alone(slow: ModelRef, settings: Settings) -> None:
    reader = load_reader(slow, settings)
    with pytest.raises(ValueError, match="retry-limit"):
        reader.answer(Tokenize("a" * 60 + "b"))
    assert reader.answer(Tokenize("hi"))
    assert reader.answer(Detokenize([1]))
    reader.close()
