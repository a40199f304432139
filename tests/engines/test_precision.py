"""On a CPU models compute in float32, however they are stored: half precision is many times slower there."""

from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm
import pytest
from mlx.utils import tree_flatten

from config.settings import Settings
from mlxq.catalog import ModelRef
from mlxq.catalog.size import model_size
from tests.support.checkpoints import random_qwen3
from tests.support.events import plain
from tests.support.payloads import typed
from worker.device import device
from worker.engines.base import Done
from worker.engines.llm.chat import load as load_chat

HALVES = {mx.float16, mx.bfloat16}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("halves")
    source = random_qwen3(root / "source", seed=7)
    mlx_lm.convert(str(source), str(root / "half"), dtype="float16")
    mlx_lm.convert(str(source), str(root / "brain"), dtype="bfloat16")
    options: Any = {"quantize": True, "q_group_size": 32, "dtype": "float16"}
    mlx_lm.convert(str(source), str(root / "quantised"), q_bits=4, **options)
    return root


def engine(root: Path, name: str) -> Any:
    return load_chat(ModelRef(name, root / name), Settings())


@pytest.mark.parametrize("name", ["half", "brain", "quantised"])
def test_floats_are_float32_and_answers_are_those_of_float32(models: Path, name: str) -> None:
    chats = engine(models, name)
    try:
        parameters: Any = tree_flatten(chats._language.model.parameters())
        kinds = {array.dtype for _, array in parameters}
        size = model_size(models / name)
        assert size.weight_bytes is not None
        assert size.float32_bytes is not None
        assert size.weight_bytes < size.float32_bytes <= 2 * size.weight_bytes
        if device().gpu:
            assert kinds & HALVES
            assert chats.memory_bytes == size.weight_bytes
            return
        assert not kinds & HALVES
        assert mx.float32 in kinds
        assert (mx.uint32 in kinds) == (name == "quantised")
        # What the budget is asked for is what the model takes.
        assert chats.memory_bytes == size.float32_bytes
        model, tokenizer = mlx_lm.load(str(models / name))[:2]
        model.set_dtype(mx.float32)
        tokens = tokenizer.apply_chat_template(
            [{"role": "user", "content": "hi"}], add_generation_prompt=True
        )
        expected = mlx_lm.generate(model, tokenizer, tokens, max_tokens=16)
        body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 16, "temperature": 0}
        chats.add("task", typed(body), 0)
        outputs: list[Any] = []
        while not any(isinstance(output, Done) for output in outputs):
            outputs += chats.step()
        [done] = [output for output in outputs if isinstance(output, Done)]
        assert plain(done.result)["choices"][0]["text"] == expected
    finally:
        chats.close()
