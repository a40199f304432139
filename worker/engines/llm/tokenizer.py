"""Loads a model's tokenizer without the model: prompts are made as the chat engine makes them, and never read."""

from functools import cached_property
from typing import Any

from mlx_lm.utils import load_tokenizer

from jobs.errors import InvalidRequest
from jobs.questions import (
    Answer,
    Asked,
    Count,
    Counted,
    Describe,
    Detokenize,
    Render,
    Template,
    Text,
    Tokenize,
    Tokens,
)
from mlxq.catalog import ModelRef
from mlxq.catalog.model_config import config_in
from worker.engines.llm.prompt import Prompts
from worker.engines.llm.vocabulary import Vocabulary
from worker.engines.loading import LanguageModel, folder

#: No prompt is too long to be counted.
_ENDLESS = 1 << 40


class TokenReader(Prompts):
    """The prompts of one model, to be counted and shown."""

    def answer(self, asked: Asked) -> Answer:
        """Raises InvalidRequest."""
        match asked:
            case Count(payload):
                return Counted(sum(len(prompt.tokens) for prompt in self.read(payload)))
            case Render(payload):
                return Text(self._text(payload))
            case Tokenize():
                return self._tokenized(asked)
            case Detokenize(tokens):
                return Text(self._written(tokens))
            case Describe():
                return self._described()

    def _tokenized(self, asked: Tokenize) -> Tokens:
        encoded = self._fast(
            asked.text,
            add_special_tokens=asked.special,
            split_special_tokens=not asked.parsed,
            verbose=False,
        )
        tokens: list[int] = list(encoded["input_ids"])
        return Tokens(
            tokens, [_piece(self._spelling.bytes_of(each)) for each in tokens] if asked.pieces else []
        )

    def _written(self, tokens: list[int]) -> str:
        size = len(self._fast)
        if (wrong := next((each for each in tokens if each >= size), None)) is not None:
            raise InvalidRequest(
                f"Invalid 'tokens': {wrong} is no token of this model, whose ids go from 0 to {size - 1}.",
                param="tokens",
            )
        text: str = self._fast.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text

    def _described(self) -> Template:
        template = self._fast.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        return Template(template or "", self._fast.bos_token or "", self._fast.eos_token or "")

    @property
    def _fast(self) -> Any:
        return self._tokenizer._tokenizer

    @cached_property
    def _spelling(self) -> Vocabulary:
        return Vocabulary(self._tokenizer, len(self._fast))


def _piece(data: bytes) -> str | list[int]:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return list(data)


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
