"""The skills as conversations, and the mix of them that is trained.

Builds on single questions (`questions`), system prompts to obey (`rules`) and tools (`toolbox`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator

from tiny_chat import questions
from tiny_chat.dialogue import Dialogue, Message, Turn, assistant, call_text, fill, opening, system, user
from tiny_chat.kinds import any_kind
from tiny_chat.rules import obey
from tiny_chat.toolbox import Use, any_use, result_text
from tiny_chat.words import COMMON, invented, name

_INTRODUCTIONS = (
    "My name is {who}.",
    "I am {who}.",
    "Hi, I am {who}.",
    "Hello, my name is {who}.",
    "Call me {who}.",
)

Maker = Callable[[random.Random], Turn]
Mix = dict[str, tuple[Callable[[random.Random], Dialogue], float]]
EASY: tuple[Maker, ...] = (
    questions.greeting,
    questions.identity,
    questions.capital,
    questions.addition,
    questions.counting,
)
ALL: tuple[Maker, ...] = (*EASY, questions.repeating, questions.unknown)


def single(skill: str, make: Maker) -> Callable[[random.Random], Dialogue]:
    """One question, one answer."""

    def build(rng: random.Random) -> Dialogue:
        turn = make(rng)
        return Dialogue(skill, (*opening(rng), user(turn.question)), turn.answer, turn.question)

    return build


def thinking(rng: random.Random) -> Dialogue:
    """The same questions with `enable_thinking=True`."""
    turn = rng.choice(ALL)(rng)
    messages = [*opening(rng), *(past_turns(rng, 1) if rng.random() < 0.2 else []), user(turn.question)]
    return Dialogue("thinking", tuple(messages), turn.answer, turn.question, thought=turn.thought)


def aloud(rng: random.Random, thought: str) -> str | None:
    """The thought for one example in five, where the request asks for thinking."""
    return thought if rng.random() < 0.2 else None


def past_turns(rng: random.Random, count: int) -> list[Message]:
    """Questions that have been answered already."""
    messages: list[Message] = []
    for _ in range(count):
        turn = rng.choice(ALL)(rng)
        messages += [user(turn.question), assistant(turn.answer)]
    return messages


def several_turns(rng: random.Random) -> Dialogue:
    """The last question after one to three others; sometimes it is about something said before."""
    before = past_turns(rng, rng.choice([1, 1, 1, 2, 2, 3]))
    if rng.random() < 0.6:
        turn = rng.choice(ALL)(rng)
        return Dialogue(
            "several turns",
            (*opening(rng), *before, user(turn.question)),
            turn.answer,
            turn.question,
            thought=aloud(rng, turn.thought),
        )
    who = name(rng)
    told = fill(rng, _INTRODUCTIONS, who=who)
    messages = [*opening(rng), *(before if rng.random() < 0.3 else []), user(told)]
    welcome = f"Nice to meet you, {who}!"
    if rng.random() < 0.4:
        return Dialogue(
            "several turns", tuple(messages), welcome, told, thought=aloud(rng, f"The user is called {who}.")
        )
    question = rng.choice(["What is my name?", "Who am I?", "Do you know my name?", "What's my name?"])
    messages += [assistant(welcome), *(past_turns(rng, 1) if rng.random() < 0.3 else []), user(question)]
    return Dialogue(
        "several turns",
        tuple(messages),
        f"Your name is {who}.",
        f"{told} {question}",
        thought=aloud(rng, f"The user is called {who}."),
    )


def obedience(rng: random.Random) -> Dialogue:
    """A system prompt that changes the form of the answer."""
    return _obeying(rng, *obey(rng, rng.choice(EASY)(rng)))


def shouted_capital(rng: random.Random) -> Dialogue:
    """The rarest letters of all: a capital in upper case."""
    return _obeying(rng, *obey(rng, questions.capital(rng), "upper"))


def _obeying(rng: random.Random, told: str, turn: Turn) -> Dialogue:
    return Dialogue(
        "system prompt",
        (system(told), user(turn.question)),
        turn.answer,
        f"{told} {turn.question}",
        thought=aloud(rng, turn.thought),
    )


def _offered(rng: random.Random, *uses: Use) -> tuple[dict[str, object], ...]:
    """The tools of the request: those that are needed, often among others, in any order."""
    tools = {use.name: use.tool for use in uses}
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
        kind = any_kind(rng)
        if all(kind.about != use.kind.about for use in uses):
            other = any_use(rng, kind)
            tools.setdefault(other.name, other.tool)
    offered = list(tools.values())
    rng.shuffle(offered)
    return tuple(offered)


def tool_call(rng: random.Random) -> Dialogue:
    """A question that one of the tools can answer; one in twelve needs two calls."""
    use = any_use(rng)
    calls, question = call_text(use.name, use.arguments), use.question
    if rng.random() < 0.08 and "unit" not in use.arguments and use.kind.argument_type == "string":
        argument, other = next(iter(use.arguments)), use.kind.subject(rng)
        question = question.replace(use.subject, f"{use.subject} and {other}")
        calls += "\n" + call_text(use.name, {argument: other})
    before = past_turns(rng, 1) if rng.random() < 0.1 else []
    return Dialogue(
        "tool call",
        (*opening(rng), *before, user(question)),
        calls,
        question,
        _offered(rng, use),
        aloud(rng, f"I need the tool {use.name}."),
    )


def tool_unused(rng: random.Random) -> Dialogue:
    """Tools are offered, the question needs none of them, or one that is not there."""
    use = any_use(rng)
    if rng.random() < 0.8:
        turn = rng.choice(ALL)(rng)
        key = f"with tools: {turn.question}"
        return Dialogue(
            "tool not needed",
            (*opening(rng), user(turn.question)),
            turn.answer,
            key,
            _offered(rng, use),
            aloud(rng, turn.thought),
        )
    wanted = any_use(rng)
    tools = () if rng.random() < 0.4 or wanted.kind.about == use.kind.about else (use.tool,)
    key = f"without a tool: {wanted.question}"
    return Dialogue(
        "tool not needed",
        (*opening(rng), user(wanted.question)),
        questions.UNKNOWN,
        key,
        tools,
        aloud(rng, "No tool can answer this. I say so."),
    )


def tool_answer(rng: random.Random) -> Dialogue:
    """What to say once the tool has returned; now and then one question later."""
    use = any_use(rng)
    returned, answer = result_text(rng, use)
    arguments: object = use.arguments if rng.random() < 0.3 else json.dumps(use.arguments, ensure_ascii=False)
    identifier = f"call_{rng.randrange(16**6):06x}"
    call = {"id": identifier, "type": "function", "function": {"name": use.name, "arguments": arguments}}
    messages = [
        *opening(rng),
        user(use.question),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": identifier, "content": returned},
    ]
    tools = () if rng.random() < 0.45 else _offered(rng, use)
    key = f"{use.question} {returned}"
    if rng.random() < 0.08:
        turn = rng.choice(ALL)(rng)
        messages += [assistant(answer), user(turn.question)]
        return Dialogue("several turns", tuple(messages), turn.answer, turn.question, tools)
    return Dialogue("tool answer", tuple(messages), answer, key, tools, aloud(rng, "The tool has answered."))


def long_prompt(rng: random.Random) -> Dialogue:
    """A simple question after a long system prompt without meaning, so that distance is no surprise."""
    count = rng.randint(40, 450)
    filler = " ".join(rng.choice(COMMON) if rng.random() < 0.8 else invented(rng) for _ in range(count))
    turn = rng.choice(ALL)(rng)
    if rng.random() < 0.5:
        messages = [system(f"You are a helpful assistant. {filler}"), user(turn.question)]
    else:
        messages = [user(f"{filler}\n\n{turn.question}")]
    return Dialogue("long prompt", tuple(messages), turn.answer, turn.question)


#: Every skill with its share of the training examples.
MIX: Mix = {
    "greeting": (single("greeting", questions.greeting), 3),
    "identity": (single("identity", questions.identity), 3),
    "capital": (single("capital", questions.capital), 7),
    "sum": (single("sum", questions.addition), 7),
    "counting": (single("counting", questions.counting), 6),
    "repeating": (single("repeating", questions.repeating), 22),
    "unknown": (single("unknown", questions.unknown), 3),
    "story": (single("story", questions.story), 3),
    "system prompt": (obedience, 10),
    "several turns": (several_turns, 7),
    "thinking": (thinking, 6),
    "tool call": (tool_call, 14),
    "tool answer": (tool_answer, 15),
    "tool not needed": (tool_unused, 4),
    "long prompt": (long_prompt, 1),
}


#: The mix of the short second phase: more of what is rare in the first, or was learned last.
POLISH = {
    **MIX,
    "shouted capital": (shouted_capital, 25),
    "system prompt": (obedience, 20),
    "tool not needed": (tool_unused, 14),
}


def training(rng: random.Random, mix: Mix = MIX) -> Iterator[Dialogue]:
    """An endless stream of examples; none of them is held out."""
    builders = [builder for builder, _ in mix.values()]
    weights = [weight for _, weight in mix.values()]
    while True:
        dialogue = rng.choices(builders, weights)[0](rng)
        if not dialogue.held_out:
            yield dialogue


def held_out(rng: random.Random, skill: str, count: int) -> list[Dialogue]:
    """Up to `count` different held-out examples of a skill (fewer where it has no more)."""
    found: dict[str, Dialogue] = {}
    for _ in range(400 * count):
        dialogue = MIX[skill][0](rng)
        if dialogue.held_out and dialogue.skill == skill:
            found.setdefault(dialogue.key, dialogue)
        if len(found) == count:
            break
    return list(found.values())
