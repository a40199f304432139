"""MiniCPM-SALA is what its authors' formulas say, however a text is cut into pieces and rows."""

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx_lm.generate import BatchGenerator
from mlx_lm.models.cache import make_prompt_cache

from mlxq.catalog import ModelRef
from tests.support import sala
from tests.support.family_checkpoints import family_checkpoint
from worker.engines.loading import LanguageModel, load_language_model

pytestmark = pytest.mark.filterwarnings("ignore:`rope_scaling` is deprecated:FutureWarning")

#: tools/golden_minicpm_sala.py makes it.
GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "minicpm_sala.json").read_text())
PROMPTS = [GOLDEN["tokens"][:length] for length in (1, 3, 150, 20, 64)]
LENGTH = 12


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    folder = family_checkpoint(tmp_path_factory.mktemp("models") / "sala", "minicpm-sala", GOLDEN["seed"])
    return load_language_model(ModelRef("sala", folder))


def logits(model: Any, tokens: list[int], cache: list[Any] | None = None) -> np.ndarray[Any, Any]:
    return np.array(model(mx.array([tokens]), cache=cache)[0])


def alone(model: Any, prompt: list[int]) -> list[int]:
    """The greedy continuation without any cache: everything is read again for each token."""
    tokens = list(prompt)
    for _ in range(LENGTH):
        tokens.append(int(logits(model, tokens)[-1].argmax()))
    return tokens[len(prompt) :]


def test_it_equals_the_reference(loaded: LanguageModel) -> None:
    answer = logits(loaded.model, GOLDEN["tokens"])
    for position, expected in GOLDEN["logits"].items():
        np.testing.assert_allclose(answer[int(position)], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pieces", [[1], [128], [7, 129], [150]])
def test_reading_in_pieces_equals_one_pass(loaded: LanguageModel, pieces: list[int]) -> None:
    tokens = GOLDEN["tokens"]
    cache = make_prompt_cache(loaded.model)
    read: list[np.ndarray[Any, Any]] = []
    start = 0
    while start < len(tokens):
        length = pieces[min(len(read), len(pieces) - 1)]
        read.append(logits(loaded.model, tokens[start : start + length], cache))
        start += length
    np.testing.assert_allclose(np.concatenate(read), logits(loaded.model, tokens), rtol=0, atol=2e-5)


def test_rows_that_join_and_leave_a_batch_are_what_each_is_alone(loaded: LanguageModel) -> None:
    expected = [alone(loaded.model, prompt) for prompt in PROMPTS]
    generator = BatchGenerator(loaded.model, max_tokens=LENGTH, prefill_step_size=16, prefill_batch_size=2)
    rows = generator.insert(PROMPTS[:3])
    answers: dict[int, list[int]] = {}
    ended = 0
    while ended < len(PROMPTS):
        for response in generator.next()[1]:
            answers.setdefault(response.uid, []).append(response.token)
            ended += response.finish_reason is not None
        # The others come while the first ones decode, and stay when those have ended.
        if len(rows) < len(PROMPTS) and answers:
            rows += generator.insert([PROMPTS[len(rows)]])
    generator.close()
    assert [answers[row] for row in rows] == expected


def test_what_its_files_say(loaded: LanguageModel) -> None:
    assert loaded.context_length == 524288
    assert loaded.vocabulary == 259
    assert loaded.memory_bytes == sum(array.nbytes for array in sala.weights(GOLDEN["seed"]).values())
