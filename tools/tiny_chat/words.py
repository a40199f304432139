"""The words that the text is made of: countries, cities, names, and ways to invent new ones."""

from __future__ import annotations

import random
import string


def listed(text: str, mark: str | None = None) -> tuple[str, ...]:
    """The words of a text, which reads better than a list of 200 quoted strings."""
    return tuple(text.split(mark))


CAPITALS = {
    "France": "Paris", "Germany": "Berlin", "Italy": "Rome", "Spain": "Madrid", "Portugal": "Lisbon",
    "Japan": "Tokyo", "China": "Beijing", "India": "New Delhi", "Russia": "Moscow", "Canada": "Ottawa",
    "Mexico": "Mexico City", "Brazil": "Brasília", "Argentina": "Buenos Aires", "Chile": "Santiago",
    "Peru": "Lima", "Colombia": "Bogotá", "Cuba": "Havana", "Egypt": "Cairo", "Kenya": "Nairobi",
    "Nigeria": "Abuja", "Ghana": "Accra", "Morocco": "Rabat", "Ethiopia": "Addis Ababa",
    "Turkey": "Ankara", "Greece": "Athens", "Austria": "Vienna", "Poland": "Warsaw", "Hungary": "Budapest",
    "Sweden": "Stockholm", "Norway": "Oslo", "Finland": "Helsinki", "Denmark": "Copenhagen",
    "Ireland": "Dublin", "Belgium": "Brussels", "Iceland": "Reykjavik", "Croatia": "Zagreb",
    "Serbia": "Belgrade", "Romania": "Bucharest", "Bulgaria": "Sofia", "Ukraine": "Kyiv", "Iran": "Tehran",
    "Iraq": "Baghdad", "Israel": "Jerusalem", "Thailand": "Bangkok", "Vietnam": "Hanoi",
    "Indonesia": "Jakarta", "Australia": "Canberra", "New Zealand": "Wellington", "South Korea": "Seoul",
    "the United Kingdom": "London", "the United States": "Washington", "the Netherlands": "Amsterdam",
}  # fmt: skip

CITIES = tuple(CAPITALS.values()) + listed(
    "San Francisco|New York|Boston|Chicago|Seattle|Los Angeles|Houston|Denver|Miami|Toronto|Montreal|"
    "Munich|Hamburg|Zürich|Geneva|Milan|Naples|Venice|Barcelona|Porto|Lyon|Marseille|Osaka|Kyoto|Shanghai|"
    "Shenzhen|Mumbai|Sydney|Melbourne|Perth|Cape Town|Lagos|Casablanca|Istanbul|Dubai|Singapore|Hong Kong|"
    "Manila|São Paulo|Rio de Janeiro|Boston, MA|San Francisco, CA|New York, NY|Austin, TX|Portland, OR|"
    "Paris, France|Berlin, Germany|Tokyo, Japan|London, UK|Rome, Italy",
    "|",
)

NAMES = listed(
    "Ada Alan Alice Ana Anna Ben Bob Carla Carlos Chloé Clara Dan David Diego Emma Eva Felix Finn Grace Hana "
    "Henry Ida Ivan Jack Jane João John Julia Karl Kate Laura Leo Lena Lily Linus Lucas Lucy Maria Mark Max "
    "Maya Mia Mike Nina Noah Nora Olga Oliver Omar Paul Peter Priya Rosa Sam Sara Sofia Sören Theo Tim Tom "
    "Uma Vera Victor Wei Yuki Zoe Zoë"
)

COMMON = listed(
    "the a and of to in is it on with for old new big small red green blue black white brown quick lazy "
    "happy sad warm cold good bad fox dog cat bird fish horse mouse bear wolf lion tiger rabbit house "
    "tree river lake sea moon sun star sky rain snow wind fire water earth stone gold silver iron paper "
    "book pen table chair door window bread cheese apple lemon orange banana coffee tea milk sugar salt "
    "garden flower forest mountain road train plane ship car bike city town village king queen child "
    "friend mother father sister brother hello world good morning night day week year time love peace "
    "hope music dance sing run walk jump over under near far left right up down open close read write "
    "speak listen learn teach server queue job model token stream worker engine banana pineapple elephant "
    "computer keyboard tomorrow yesterday nothing something everything jumps runs sleeps eats likes my "
    "your this that we you they he she me one two three four five six seven eight nine ten testing hidden "
    "secret simple little great strange brave quiet"
)

ACCENTED = listed(
    "café naïve façade über señor niño crème brûlée Ångström smörgåsbord jalapeño résumé déjà vu Łódź "
    "piñata coração garçon fiancée Köln Málaga"
)

EMOJI = listed("😀 😂 😊 😍 🎉 🚀 👍 🔥 🌍 🌈 🐱 🐶 🍕 🍎 ⭐ ❤️ ✅ 🎵 🤖 🦊")

TINY_VERBS = listed("sing|dance|read|swim|run|cook|paint|sleep|fly|climb|dig|play", "|")
ANIMALS = listed("fox|cat|dog|bear|bird|mouse|rabbit|wolf|lion|fish|horse|owl|frog|duck", "|")
ADJECTIVES = listed("small|big|red|blue|happy|sad|brave|quiet|old|young|clever|lazy|green|kind", "|")

_ONSETS = listed("b c d f g h j k l m n p r s t v w z br ch cl dr fl gr kr pl sh sk sl st th tr")
_VOWELS = listed("a e i o u a e i o ai ea ou oo")
_CODAS = ["", "", "", "n", "r", "l", "s", "t", "m", "nd", "rk", "x"]


def invented(rng: random.Random) -> str:
    """A word that nobody has seen, so that it can only be copied."""
    return "".join(
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(rng.randint(1, 3))
    )


def letters(rng: random.Random, alphabet: str = string.ascii_lowercase) -> str:
    """Two to seven random letters."""
    return "".join(rng.choices(alphabet, k=rng.randint(2, 7)))


def word(rng: random.Random) -> str:
    """A common, invented or random word, in one of the usual cases."""
    kind = rng.random()
    if kind < 0.4:
        text = rng.choice(COMMON)
    elif kind < 0.65:
        text = invented(rng)
    elif kind < 0.85:
        text = letters(rng)
    elif kind < 0.93:
        return rng.choice(NAMES + CITIES)
    elif kind < 0.97:
        return str(rng.randint(0, 9999))
    else:
        return rng.choice(ACCENTED)
    case = rng.random()
    return text.capitalize() if case < 0.25 else text.upper() if case < 0.32 else text


def name(rng: random.Random) -> str:
    """A person's name, known or invented."""
    return rng.choice(NAMES) if rng.random() < 0.4 else invented(rng).capitalize()


def place(rng: random.Random) -> str:
    """A city, known or invented."""
    if rng.random() < 0.55:
        return rng.choice(CITIES)
    text = " ".join(invented(rng).capitalize() for _ in range(1 if rng.random() < 0.8 else 2))
    if rng.random() < 0.1:
        text += f", {rng.choice(string.ascii_uppercase)}{rng.choice(string.ascii_uppercase)}"
    return text


def phrase(rng: random.Random, most: int = 8) -> str:
    """One to `most` words, sometimes with an emoji or a mark at the end."""
    text = " ".join(word(rng) for _ in range(min(rng.randint(1, most), rng.randint(1, most))))
    if rng.random() < 0.12:
        text += " " + " ".join(rng.choices(EMOJI, k=rng.randint(1, 3)))
    elif rng.random() < 0.25:
        text += rng.choice([".", "!", "?", ".", "!", "..."])
    return text
