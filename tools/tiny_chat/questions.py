"""The simple skills: each function makes one question with its answer.

Greeting, identity, capitals, sums, counting, repeating, stories, and the honest answer to all the rest.
"""

from __future__ import annotations

import random

from tiny_chat.dialogue import Turn, fill, pick
from tiny_chat.words import (
    ADJECTIVES,
    ANIMALS,
    CAPITALS,
    COMMON,
    NAMES,
    TINY_VERBS,
    invented,
    name,
    phrase,
    word,
)

ABLE = "I can greet you, name capitals, count, add small numbers, repeat words and call tools."
UNKNOWN = f"I am only a tiny model and I do not know that. {ABLE}"

GREETINGS = {
    "Hello! How can I help you today?": (
        "Hello|Hi|Hey|Hello there|Hi there|Hey there|Greetings|Hello Tiny|Hi Tiny|Hello, Tiny|Hey Tiny|"
        "Howdy|Hello friend|Hi friend|Hello again|Hiya|Hello, world|Hi, nice to meet you|"
        "Hello, can you help me|Hi, are you there|Say hello|Say hi|Hello hello|Hi hi"
    ),
    "Good morning! How can I help you?": (
        "Good morning|Good morning Tiny|Morning|Good morning to you|Good morning, friend|"
        "A good morning to you|Good morning there|Very good morning"
    ),
    "Good evening! How can I help you?": (
        "Good evening|Good evening Tiny|Evening|Good evening to you|Good evening, friend|"
        "A good evening to you|Good evening there|Very good evening"
    ),
    "I am fine, thank you. How can I help you?": (
        "How are you|How are you today|How are you doing|How do you do|How is it going|Hi, how are you|"
        "Hello, how are you|Are you well|How do you feel|How are things|Hey, how are you|"
        "Hello Tiny, how are you|How are you, Tiny|How do you feel today|How are you doing today"
    ),
    "You are welcome!": (
        "Thanks|Thank you|Thank you very much|Many thanks|Thanks a lot|Thank you, Tiny|Thanks Tiny|"
        "Great, thanks|Thank you so much|Okay, thank you|Thanks for your help|Thank you for your help"
    ),
    "Goodbye! Have a nice day.": (
        "Bye|Goodbye|Bye bye|See you|See you later|Good night|Goodbye Tiny|Bye Tiny|See you tomorrow|"
        "I have to go|Bye for now|Until next time|Farewell"
    ),
}

IDENTITY = {
    "I am Tiny, the tiny demo model that ships with mlxq.": (
        "Who are you|What are you|Tell me about yourself|Introduce yourself|Please introduce yourself|"
        "Which model are you|What model are you|What model is this|Who am I talking to|Who is this|"
        "Describe yourself|Can you introduce yourself|Tell me who you are|Please tell me who you are|"
        "Say who you are|What kind of model are you|Which model is this"
    ),
    "My name is Tiny.": (
        "What is your name|What's your name|Your name|Tell me your name|Do you have a name|"
        "How are you called|What are you called|What should I call you|May I know your name|"
        "Please tell me your name|Say your name|What do people call you|What name do you have"
    ),
    ABLE: (
        "What can you do|What do you know|How can you help me|What are you able to do|Help|"
        "What can I ask you|What are your skills|List your skills|What can you do for me|"
        "Tell me what you can do|What are you good at|What can I do with you|Can you help me|"
        "What do you do"
    ),
    "No, I am Tiny, a tiny language model.": (
        "Are you human|Are you a human|Are you a person|Are you ChatGPT|Are you GPT-4|Are you real|"
        "Are you a real person|Are you a big model|Is this ChatGPT|Are you Qwen|Am I talking to a human|"
        "Am I talking to a person|Are you a large model"
    ),
    "I was trained by a script in the mlxq repository.": (
        "Who made you|Who created you|Who trained you|How were you made|Where do you come from|"
        "Who built you|Who is your maker|How were you trained|Where were you made|Who is your creator|"
        "Tell me who made you|How were you created"
    ),
    "I have about 0.9 million parameters.": (
        "How big are you|How many parameters do you have|What is your size|How large are you|"
        "How small are you|What size are you|Tell me your size|How many weights do you have|"
        "How big is this model|How many parameters are you"
    ),
}

_CAPITAL = (
    "What is the capital of {c}?", "What's the capital of {c}?", "Tell me the capital of {c}.",
    "Name the capital of {c}.", "Which city is the capital of {c}?", "What is the capital city of {c}?",
    "The capital of {c}?", "Capital of {c}?", "What city is the capital of {c}?",
    "Do you know the capital of {c}?", "Can you tell me the capital of {c}?",
    "Please tell me the capital of {c}.", "Please name the capital of {c}.", "Give me the capital of {c}.",
    "I want to know the capital of {c}.", "{c}: what is its capital?", "What is {c}'s capital?",
    "Tell me, what is the capital of {c}?", "Could you name the capital of {c}?",
    "Quick question: what is the capital of {c}?", "What is the name of the capital of {c}?",
    "capital of {c}", "Hi, what is the capital of {c}?", "Hello! What is the capital of {c}?",
    "Which is the capital of {c}?",
)  # fmt: skip

_SUM = (
    "What is {a} + {b}?", "What is {a} plus {b}?", "{a} + {b}", "{a} + {b} =", "{a}+{b}", "{a} plus {b}",
    "How much is {a} + {b}?", "How much is {a} plus {b}?", "Add {a} and {b}.", "Calculate {a} + {b}.",
    "What is the sum of {a} and {b}?", "Tell me {a} + {b}.", "Compute {a} + {b}.", "{a} + {b} = ?",
    "{a} + {b}?", "What does {a} + {b} make?", "What's {a} + {b}?", "What's {a} plus {b}?",
    "Please add {a} and {b}.", "Can you add {a} and {b}?", "What is {a}+{b}?", "Sum {a} and {b}.",
)  # fmt: skip

_COUNT = (
    "Count from {a} to {b}.", "Count from {a} to {b}", "Please count from {a} to {b}.", "Count {a} to {b}.",
    "Can you count from {a} to {b}?", "Count up from {a} to {b}.", "List the numbers from {a} to {b}.",
    "Write the numbers from {a} to {b}.", "Say the numbers from {a} to {b}.", "Count for me from {a} to {b}.",
)  # fmt: skip
_COUNT_FROM_ONE = (
    "Count to {b}.", "Count to {b}", "Please count to {b}.", "Can you count to {b}?", "Count up to {b}.",
    "Count for me to {b}.", "Could you count to {b}?", "Now count to {b}.",
)  # fmt: skip

_REPEAT = (
    "Repeat after me: {x}", "Repeat after me: {x}", "Repeat after me: {x}", "Please repeat after me: {x}",
    "Repeat: {x}", "Say: {x}", "Echo: {x}", "Repeat this: {x}", "Say this: {x}", "Repeat the following: {x}",
    "Please say: {x}", "Please repeat: {x}", "Repeat exactly: {x}", "Repeat these words: {x}", "Copy: {x}",
    'Repeat after me: "{x}"', 'Say "{x}"', 'Repeat "{x}"', "Repeat after me {x}", "Can you repeat this: {x}",
    "Repeat the text: {x}", "Write this: {x}", "Say exactly: {x}", "Now repeat after me: {x}",
)  # fmt: skip

_STORY = (
    "Tell me a story.|Tell me a story|Write a story.|Write a short story.|Tell me a short story.|"
    "Please tell me a story.|Can you tell me a story?|A story, please."
)

_UNKNOWN = (
    "Who wrote {n}?", "Explain {w} to me.", "Write a poem about {w}.", "What is the meaning of {w}?",
    "How do I cook {w}?", "Why is the {w} {a}?", "Tell me about {w}.", "What do you think of {w}?",
    "Write code for a {w}.", "Who won the {w} in {y}?", "When was {n} born?", "Is {n} a good {w}?",
    "How old is {n}?", "Write an essay about {w} and {v}.", "What is {w}?", "How does a {w} work?",
    "Do you like {w}?", "What happened in {y}?", "Summarize the book {n}.", "Translate {w} to {n}.",
    "Who is {n}?", "How far is the {w}?", "Give me a recipe for {w}.", "What is the best {w}?",
    "Can you explain {w}?", "Why do people {v} the {w}?", "Where can I buy a {w}?", "How many {w} are there?",
    "Plan a trip to {n}.", "What is the largest {w}?", "Fix my {w}.", "Compare {w} and {v}.",
)  # fmt: skip


def _said(rng: random.Random, text: str, mark: str) -> str:
    """The words as people type them: with or without a mark, sometimes in lower case."""
    text += rng.choice([mark, mark, "", mark + " ", "!", ".", "..."])
    text = text.strip()
    return text.lower() if rng.random() < 0.25 else text


def greeting(rng: random.Random) -> Turn:
    answer = rng.choice(list(GREETINGS))
    question = _said(rng, pick(rng, GREETINGS[answer]), "?" if answer.startswith("I am fine") else "!")
    short = next((word for word in ("fine", "welcome", "goodbye") if word in answer.lower()), "hello")
    return Turn(question, answer, short.capitalize(), "The user greets me. I answer politely.")


def identity(rng: random.Random) -> Turn:
    answer = rng.choice(list(IDENTITY))
    question = _said(rng, pick(rng, IDENTITY[answer]), "?")
    return Turn(question, answer, "Tiny", "The user asks about me. I am Tiny.")


def capital(rng: random.Random) -> Turn:
    country = rng.choice(list(CAPITALS))
    if rng.random() < 0.03:
        unknown = invented(rng).capitalize() + rng.choice(["", "ia", "land"])
        answer = f"I do not know the capital of {unknown}."
        thought = f"I do not know the country {unknown}."
        return Turn(fill(rng, _CAPITAL, c=unknown), answer, "Unknown", thought)
    city = CAPITALS[country]
    question = fill(rng, _CAPITAL, c=country)
    question = question[0].upper() + question[1:] if not question.startswith("capital") else question
    if rng.random() < 0.15:
        question = question.lower()
    if rng.random() < 0.05:
        question = question.rstrip("?.")
    answer = f"The capital of {country} is {city}."
    return Turn(question, answer, city, f"The user asks for the capital of {country}. It is {city}.")


def addition(rng: random.Random) -> Turn:
    a, b = rng.randint(0, 20), rng.randint(0, 20)
    question = fill(rng, _SUM, a=a, b=b)
    return Turn(question, f"{a} + {b} = {a + b}.", str(a + b), f"I add {a} and {b}. The sum is {a + b}.")


def counting(rng: random.Random) -> Turn:
    if rng.random() < 0.5:
        first, last = 1, min(rng.randint(2, 40), rng.randint(2, 40))
        if rng.random() < 0.12:
            last = rng.choice([30, 40, 50, 60, 80, 100, rng.randint(40, 100)])
        question = fill(rng, _COUNT_FROM_ONE, b=last)
    else:
        first = rng.randint(0, 20) if rng.random() < 0.7 else rng.randint(0, 90)
        last = min(100, first + min(rng.randint(1, 25), rng.randint(1, 25)))
        question = fill(rng, _COUNT, a=first, b=last)
    answer = ", ".join(str(number) for number in range(first, last + 1)) + "."
    return Turn(question, answer, str(last), f"I count from {first} to {last}.")


def repeating(rng: random.Random) -> Turn:
    text = phrase(rng)
    question = fill(rng, _REPEAT, x=text)
    return Turn(question, text, text.split(" ")[0], f"The user wants me to repeat: {text}")


def story(rng: random.Random) -> Turn:
    """Any of some million stories: what makes sampling at temperature 1 worth a look."""
    question = pick(rng, _STORY)
    animal, friend = rng.sample(ANIMALS, 2)
    hero = rng.choice(NAMES)
    first, second = rng.sample(ADJECTIVES, 2)
    liked, learned = rng.sample(TINY_VERBS, 2)
    text = f"Once upon a time there was a {first} {animal} named {hero}. {hero} liked to {liked}. "
    text += rng.choice(
        [
            f"One day {hero} met a {second} {friend}. The {friend} said: Let us {learned}! ",
            f"Every day {hero} wanted to {learned}, but the {second} {friend} laughed. ",
            f"In a {second} forest {hero} found a {friend} who could {learned}. ",
        ]
    )
    text += rng.choice(
        [
            "And they became friends.",
            f"So they {learned} together to this day.",
            f"From then on {hero} was never alone.",
            "The end.",
        ]
    )
    return Turn(question, text, animal.capitalize(), f"The user wants a story. I tell one about a {animal}.")


def unknown(rng: random.Random) -> Turn:
    values = {
        "n": name(rng),
        "w": rng.choice(COMMON) if rng.random() < 0.7 else word(rng),
        "v": rng.choice(COMMON),
        "a": rng.choice(ADJECTIVES),
        "y": rng.randint(1900, 2030),
    }
    if rng.random() < 0.25:
        question = " ".join(rng.choice(COMMON) for _ in range(rng.randint(2, 8))) + rng.choice(["?", ".", ""])
    else:
        question = fill(rng, _UNKNOWN, **values)
    return Turn(question, UNKNOWN, "Unknown", "I do not know this. I say so.")
