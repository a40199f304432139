"""The tokenizer: byte-level BPE with Qwen's pre-tokenizer and special tokens, but 1,024 tokens in all.

Every byte is a token, so any text survives encoding and decoding. There is no normalizer.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

from tiny_chat.dialogue import Dialogue

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VOCABULARY = 1024
MAX_POSITION = 8192
TEMPLATE = Path(__file__).with_name("chat_template.jinja")

_CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_MARKS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")

#: Qwen2's pattern (transformers, models/qwen2/tokenization_qwen2.py).
_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


def train(dialogues: Iterable[Dialogue], folder: Path) -> None:
    """Learns the merges from the dialogues as rendered; writes tokenizer.json, its config and the template.

    Rendering needs a tokenizer, so a first one without merges is written and used for that.
    """
    shutil.copyfile(TEMPLATE, folder / TEMPLATE.name)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": MAX_POSITION,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    _learn([], folder)
    renderer = load(folder)
    marks = re.compile("|".join(re.escape(mark) for mark in _CONTROL + _MARKS))
    texts = ("".join(render(renderer, dialogue)) for dialogue in dialogues)
    _learn(itertools.chain.from_iterable(map(marks.split, texts)), folder)


def _learn(texts: Iterable[str], folder: Path) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # type: ignore[assignment]
        [
            pre_tokenizers.Split(Regex(_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(_CONTROL) - len(_MARKS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in _CONTROL])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in _MARKS])
    tokenizer.save(str(folder / "tokenizer.json"))


def load(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer with its chat template, as every user of the model gets it."""
    loaded: Any = AutoTokenizer.from_pretrained(folder)
    tokenizer: PreTrainedTokenizerFast = loaded
    return tokenizer


def render(tokenizer: PreTrainedTokenizerFast, dialogue: Dialogue) -> tuple[str, str]:
    """The prompt through the chat template, and the answer up to <|im_end|>.

    An opened think block counts as answer, so that it has the answer's weight in the loss.
    """
    prompt = tokenizer.apply_chat_template(
        list(dialogue.messages),
        tools=list(dialogue.tools) or None,
        add_generation_prompt=True,
        tokenize=False,
        enable_thinking=dialogue.thought is not None,
    )
    opened = "" if dialogue.thought is None else "<think>\n"
    return str(prompt).removesuffix(opened), f"{opened}{dialogue.completion}<|im_end|>"


def encode(tokenizer: PreTrainedTokenizerFast, dialogue: Dialogue) -> tuple[list[int], int]:
    """The tokens of the prompt and the answer, and how many of them are prompt."""
    prompt, answer = render(tokenizer, dialogue)
    prompt_tokens = tokenizer.encode(prompt, add_special_tokens=False)
    return prompt_tokens + tokenizer.encode(answer, add_special_tokens=False), len(prompt_tokens)
