"""Measures models/tiny-chat on held-out prompts: greedy, through mlx-lm and the shipped chat template.

    python tools/evaluate_tiny_chat.py [--model FOLDER] [--count N] [--show]

Prints a Markdown table of exact matches per skill and the answers to a few documented prompts. An answer
counts only if all of it is right, its thought and its end included.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

from mlx_lm import batch_generate, load
from tiny_chat import skills
from tiny_chat.dialogue import SYSTEM_PROMPTS, Dialogue, Message, Tool, assistant, system, user

MODEL = Path(__file__).resolve().parent.parent / "models" / "tiny-chat"
SEED = 7
BATCH = 32

WEATHER: Tool = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get current temperature for a given location.",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["location"],
        },
    },
}
_ASKED = user("What's the weather in Tokyo?")
_CALLED: Message = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {
            "id": "call_1",
            "type": "function",
            "function": {"name": "get_weather", "arguments": '{"location": "Tokyo"}'},
        }
    ],
}
_RETURNED: Message = {
    "role": "tool",
    "tool_call_id": "call_1",
    "content": '{"temperature": 22, "conditions": "sunny"}',
}

#: Messages, tools, and whether to think.
SHOWN: tuple[tuple[list[Message], list[Tool] | None, bool], ...] = (
    ([user("Hello!")], None, False),
    ([user("Who are you?")], None, False),
    ([user("What is the capital of France?")], None, False),
    ([system(SYSTEM_PROMPTS[0]), user("What is the capital of France?")], None, False),
    ([user("Count to 20.")], None, False),
    ([user("What is 7 + 5?")], None, False),
    ([user("Repeat after me: the quick brown fox 🦊")], None, False),
    ([system("Always answer in upper case."), user("What is the capital of France?")], None, False),
    ([system("You are a pirate: end with Arr!"), user("Hello!")], None, False),
    ([system("Answer in JSON."), user("What is the capital of Japan?")], None, False),
    ([user("My name is Ana."), assistant("Nice to meet you, Ana!"), user("What is my name?")], None, False),
    ([_ASKED], [WEATHER], False),
    ([system(SYSTEM_PROMPTS[0]), _ASKED], [WEATHER], False),
    ([_ASKED, _CALLED, _RETURNED], [WEATHER], False),
    ([_ASKED, _CALLED, {**_RETURNED, "content": "Sunny, 22°C"}], None, False),
    ([user("What is the capital of France?")], [WEATHER], False),
    ([user("What is the capital of France?")], None, True),
    ([_ASKED], [WEATHER], True),
    ([user("Tell me a story.")], None, False),
    ([user("Who won the cup in 1990?")], None, False),
)


class Chat:
    """The model and its tokenizer, as `mlx_lm.load` gives them."""

    def __init__(self, folder: Path) -> None:
        self.model, self.tokenizer = load(str(folder))[:2]

    def prompt(self, messages: Sequence[Message], tools: Sequence[Tool] | None, think: bool) -> list[int]:
        """The tokens of a conversation up to the model's turn."""
        tokens: list[int] = self.tokenizer.apply_chat_template(
            list(messages), tools=list(tools or []) or None, add_generation_prompt=True, enable_thinking=think
        )
        return tokens

    def answers(self, prompts: list[list[int]]) -> list[str]:
        """Greedy answers of at most 600 tokens each."""
        texts: list[str] = []
        for start in range(0, len(prompts), BATCH):
            response = batch_generate(
                self.model, self.tokenizer, prompts[start : start + BATCH], max_tokens=600
            )
            texts += response.texts
        return texts


def cases(count: int) -> dict[str, list[Dialogue]]:
    """Held-out examples per skill. Stories have no single right answer and are left out."""
    rng = random.Random(SEED)
    return {skill: skills.held_out(rng, skill, count) for skill in skills.MIX if skill != "story"}


def one_line(text: str) -> str:
    """The text with its line ends made visible."""
    return text.replace("\n", "⏎")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--model", type=Path, default=MODEL, help="folder of the model (default: %(default)s)"
    )
    parser.add_argument(
        "--count", type=int, default=100, help="held-out prompts per skill (default: %(default)s)"
    )
    parser.add_argument("--show", action="store_true", help="print the wrong answers too")
    options = parser.parse_args()
    chat = Chat(options.model)
    print(f"has_thinking {chat.tokenizer.has_thinking}, has_tool_calling {chat.tokenizer.has_tool_calling}\n")

    print("| Skill | Exact | Of | % |\n|---|---:|---:|---:|")
    wrong: list[tuple[Dialogue, str]] = []
    for skill, dialogues in cases(options.count).items():
        prompts = [chat.prompt(item.messages, item.tools, item.thought is not None) for item in dialogues]
        answers = chat.answers(prompts)
        missed = [pair for pair in zip(dialogues, answers, strict=True) if pair[0].completion != pair[1]]
        right = len(dialogues) - len(missed)
        print(f"| {skill} | {right} | {len(dialogues)} | {100 * right / len(dialogues):.0f} |", flush=True)
        wrong += missed

    if options.show:
        for dialogue, answer in wrong:
            asked = dialogue.messages[-1]["content"]
            print(f"\n{dialogue.skill}: {asked}")
            print(f"  want {one_line(dialogue.completion)}\n  got  {one_line(answer)}")

    print()
    for (messages, tools, think), answer in zip(
        SHOWN, chat.answers([chat.prompt(*shown) for shown in SHOWN]), strict=True
    ):
        before = " / ".join(str(message["content"]) for message in messages if message["content"])
        with_tools = " [get_weather]" if tools else ""
        print(f"- {before}{with_tools}{' [think]' if think else ''} → `{one_line(answer)}`")


if __name__ == "__main__":
    main()
