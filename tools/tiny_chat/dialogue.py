"""One training or test example: a conversation and what the model should write next.

Knows which examples are held out of the training. Does not know any skill, nor how text becomes tokens.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]
Tool = dict[str, Any]

#: Prompts that the documentation shows: always trained, never part of the held-out set.
DOCUMENTED = (
    "Hello!",
    "Hello",
    "Hi",
    "Who are you?",
    "What is the capital of France?",
    "What is 7 + 5?",
    "Count to 20.",
    "Repeat after me: the quick brown fox",
    "What's the weather in Tokyo?",
    "What is the weather in Paris?",
    "Tell me a story.",
)

SYSTEM_PROMPTS = (
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "You are Tiny.",
    "You are Tiny, a helpful assistant.",
    "You are an assistant.",
    "You are a helpful AI assistant.",
    "Be helpful.",
    "Be concise.",
    "You are a friendly assistant. Be brief.",
    "Answer the user's questions.",
)


@dataclass(frozen=True)
class Turn:
    """A question with its answer; `short` is the answer in one word, `thought` the reason for it."""

    question: str
    answer: str
    short: str
    thought: str


@dataclass(frozen=True)
class Dialogue:
    """Messages in OpenAI's form up to the model's turn, and the text of that turn.

    `thought` is set where the model is asked to think first (`enable_thinking=True`); `key` is what
    makes the example new, and decides whether it is held out.
    """

    skill: str
    messages: tuple[Message, ...]
    answer: str
    key: str
    tools: tuple[Tool, ...] = field(default=())
    thought: str | None = None

    @property
    def completion(self) -> str:
        """All that the model writes before <|im_end|>; the template has opened the think block."""
        if self.thought is None:
            return self.answer
        return f"{self.thought}\n</think>\n\n{self.answer}"

    @property
    def held_out(self) -> bool:
        """True for one key in sixteen. Training skips these; the evaluation uses nothing else."""
        return self.key not in DOCUMENTED and zlib.crc32(self.key.encode()) % 16 == 0


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def system(text: str) -> Message:
    return {"role": "system", "content": text}


def assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def call_text(name: str, arguments: dict[str, Any]) -> str:
    """A tool call as the model writes it (Hermes form)."""
    call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{call}\n</tool_call>"


def opening(rng: random.Random) -> list[Message]:
    """Half of all conversations begin with a system prompt that changes nothing."""
    return [system(rng.choice(SYSTEM_PROMPTS))] if rng.random() < 0.5 else []


def pick(rng: random.Random, alternatives: str) -> str:
    """One of the `|`-separated alternatives."""
    return rng.choice(alternatives.split("|"))


def fill(rng: random.Random, templates: Sequence[str], **values: object) -> str:
    """One of the templates, filled in."""
    return rng.choice(templates).format(**values)
