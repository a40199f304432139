"""System prompts that change the form of an answer, and the answers that obey them."""

from __future__ import annotations

import json
import random

from tiny_chat.dialogue import Turn
from tiny_chat.words import COMMON, NAMES, invented, name

#: Ways to state each rule; {x} is the words to add, or the name to bear.
PROMPTS = {
    "upper": (
        "Always answer in upper case.",
        "Answer in upper case.",
        "Always answer in uppercase.",
        "Answer in capital letters only.",
        "Write everything in upper case.",
        "You always shout: use upper case.",
        "ALWAYS ANSWER IN UPPER CASE.",
        "Always use capital letters.",
    ),
    "lower": (
        "Always answer in lower case.",
        "Answer in lower case.",
        "Always answer in lowercase.",
        "Write everything in lower case.",
        "Never use capital letters.",
        "Use lower case only.",
    ),
    "end": (
        "End every answer with {x}",
        "Always end with {x}",
        "End your answers with: {x}",
        "Finish every answer with {x}",
        "At the end of each answer say {x}",
    ),
    "pirate": (
        "You are a pirate: end with Arr!",
        "You are a pirate. End every answer with Arr!",
        "You are a pirate.",
        "Talk like a pirate.",
        "Answer as a pirate: end with Arr!",
    ),
    "start": (
        "Start every answer with {x}",
        "Always start with {x}",
        "Begin your answers with: {x}",
        "Begin every answer with {x}",
    ),
    "word": (
        "Answer with one word.",
        "Answer with one word only.",
        "Always answer with one word.",
        "Use one word.",
        "Reply with a single word.",
        "Answer in one word.",
    ),
    "json": (
        "Answer in JSON.",
        "Always answer in JSON.",
        "Reply with JSON only.",
        "Answer with a JSON object.",
        "Respond in JSON.",
    ),
    "name": ("Your name is {x}.", "You are called {x}.", "Your name is {x}. Be helpful."),
}
_RULES = ("upper", "upper", "lower", "end", "end", "pirate", "start", "word", "word", "json", "name")
_ASK_NAME = (
    "What is your name?",
    "What's your name?",
    "Tell me your name.",
    "Your name?",
    "Do you have a name?",
    "what is your name",
)


def obey(rng: random.Random, turn: Turn, rule: str | None = None) -> tuple[str, Turn]:
    """A system prompt with the rule (or any), and the turn with the answer that obeys it."""
    added = _words(rng)
    rule = rule or rng.choice(_RULES)
    answer, question, thought = turn.answer, turn.question, turn.thought
    if rule == "upper":
        answer = answer.upper()
    elif rule == "lower":
        answer = answer.lower()
    elif rule == "pirate":
        answer = f"{answer} Arr!"
    elif rule == "end":
        answer = f"{answer} {added}"
    elif rule == "start":
        answer = f"{added} {answer}"
    elif rule == "word":
        answer = turn.short
    elif rule == "json":
        answer = json.dumps({"answer": turn.short}, ensure_ascii=False)
    else:
        added = name(rng) if rng.random() < 0.7 else rng.choice(NAMES)
        question = rng.choice(_ASK_NAME)
        answer = thought = f"My name is {added}."
    told = rng.choice(PROMPTS[rule]).format(x=added)
    if rng.random() < 0.15:
        told = f"You are a helpful assistant. {told}"
    return told, Turn(question, answer, turn.short, thought)


def _words(rng: random.Random) -> str:
    """One to three words with a mark."""
    count = rng.randint(1, 3)
    text = " ".join(rng.choice(COMMON) if rng.random() < 0.7 else invented(rng) for _ in range(count))
    return (text[0].upper() + text[1:] if rng.random() < 0.8 else text) + rng.choice("!!.")
