"""Loads a model's tokenizer without the model: prompts are made as the chat engine makes them, and never read."""

from mlx_lm.utils import load_tokenizer

from jobs.payloads import ChatPayload
from mlxq.catalog import ModelRef
from mlxq.catalog.model_config import config_in
from worker.engines.llm.prompt import Prompts
from worker.engines.loading import LanguageModel, folder

#: No prompt is too long to be counted.
_ENDLESS = 1 << 40


class TokenReader(Prompts):
    """The prompts of one model, to be counted."""

    def count(self, payload: ChatPayload) -> int:
        """The tokens of a chat's prompt. Raises InvalidRequest."""
        return sum(len(prompt.tokens) for prompt in self.read(payload))


def load(ref: ModelRef) -> TokenReader:
    """Read the files of the model's tokenizer and template. Raises ModelNotFound."""
    path = folder(ref)
    config = config_in(path)
    tokenizer = load_tokenizer(path, {"trust_remote_code": False}, eos_token_ids=config.get("eos_token_id"))
    return TokenReader(
        LanguageModel(
            model=None,
            tokenizer=tokenizer,
            config=config,
            defaults={},
            context_length=_ENDLESS,
            memory_bytes=0,
            vocabulary=0,
        )
    )
