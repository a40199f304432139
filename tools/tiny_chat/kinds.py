"""The kinds of tools: what they are called, what users ask of them, what they return.

Names of functions and arguments vary, so that the model has to read them in the prompt.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tiny_chat.dialogue import fill, pick
from tiny_chat.words import CAPITALS, COMMON, invented, letters, listed, phrase, place, word

#: What a tool returns (an object or a text), and the answer that the model should make of it.
Returned = tuple[dict[str, Any] | str, str]
Result = Callable[[random.Random, str], Returned]


#: What a tool that starts something may answer.
_STARTED: tuple[dict[str, Any] | str, ...] = (
    {"status": "ok"},
    {"ok": True},
    "ok",
    "done",
    {"status": "started"},
)


@dataclass(frozen=True)
class Kind:
    """A sort of tool; the alternatives in the strings are separated by `|`.

    `asks` are questions about {x}. `result` makes what the tool returns for x, and the answer.
    """

    names: str
    arguments: str
    about: str
    argument_about: str
    asks: str
    subject: Callable[[random.Random], str]
    result: Result
    argument_type: str = "string"


CONDITIONS = (
    "sunny|cloudy|rainy|windy|foggy|snowy|clear|stormy|light rain|heavy rain|partly cloudy|overcast|hot|cold|"
    "light snow|clear sky|thunderstorms|humid|dry|hazy|drizzle|scattered clouds|mostly sunny"
)


_REPORTS = (
    "{sky}, {degrees}°C",
    "{sky}",
    "{degrees} degrees and {sky}",
    "{sky} and {degrees} degrees",
    "{degrees}°F, {sky}",
    "{sky}, {degrees} degrees",
)


def _weather(rng: random.Random, x: str) -> Returned:
    sky = pick(rng, CONDITIONS) if rng.random() < 0.8 else invented(rng)
    degrees: float = rng.randint(-15, 110) if rng.random() < 0.85 else round(rng.uniform(-10, 40), 1)
    kind = rng.random()
    if kind < 0.18:
        text = fill(rng, _REPORTS, sky=sky, degrees=degrees)
        return text, f"It is {text} in {x}."
    unit = rng.choice(["celsius", "fahrenheit"]) if rng.random() < 0.25 else ""
    key = pick(rng, "temperature|temperature|temp|degrees")
    fields: list[tuple[str, Any]] = [(key, str(degrees) if rng.random() < 0.15 else degrees)]
    if unit:
        fields.append(("unit", unit))
    if kind < 0.26:
        sky = ""
    else:
        place_of_sky = rng.choice([0, len(fields), len(fields)])
        key = pick(rng, "conditions|conditions|condition|weather|description|forecast")
        fields.insert(place_of_sky, (key, sky))
    if rng.random() < 0.3:
        fields.insert(0, (pick(rng, "location|city|place"), x))
    answer = f"It is {degrees} degrees {unit} in {x}"
    if sky:
        answer = f"It is {sky} in {x}, {degrees} degrees {unit}"
    return dict(fields), answer.replace("  ", " ").strip() + "."


def _time(rng: random.Random, x: str) -> Returned:
    clock = f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}"
    answer = f"It is {clock} in {x}."
    if rng.random() < 0.35:
        return clock, answer
    fields = {pick(rng, "time|time|local_time|now"): clock}
    return ({pick(rng, "city|location"): x} | fields if rng.random() < 0.4 else fields), answer


def _price(rng: random.Random, x: str) -> Returned:
    whole = rng.random() >= 0.8
    price = rng.randint(1, 999) if whole else round(rng.uniform(1, 900), rng.choice([0, 1, 2, 2]))
    if rng.random() < 0.25:
        return str(price), f"The price of {x} is {price}."
    fields: dict[str, Any] = {pick(rng, "price|price|value|last"): price}
    currency = pick(rng, "USD|EUR|GBP|JPY|CHF") if rng.random() < 0.4 else ""
    if currency:
        fields["currency"] = currency
    fields = {pick(rng, "symbol|ticker"): x} | fields if rng.random() < 0.4 else fields
    return fields, f"The price of {x} is {price} {currency}".strip() + "."


def _text(key: str, answer: str, most: int = 6) -> Result:
    """A tool that returns some words, bare or under `key`."""

    def result(rng: random.Random, x: str) -> Returned:
        count = rng.randint(1, most)
        text = " ".join(rng.choice(COMMON) if rng.random() < 0.7 else invented(rng) for _ in range(count))
        return (text if rng.random() < 0.4 else {pick(rng, key): text}), answer.format(x=x, r=text)

    return result


def _number(key: str, answer: str) -> Result:
    """A tool that returns one number, bare or under `key`."""

    def result(rng: random.Random, x: str) -> Returned:
        number = rng.randint(1, 10 ** rng.randint(2, 7))
        return (str(number) if rng.random() < 0.3 else {pick(rng, key): number}), answer.format(x=x, r=number)

    return result


WEATHER = Kind(
    "get_weather|get_weather|get_weather|get_current_weather|weather|fetch_weather|lookup_weather|"
    "weather_lookup",
    "location|location|city|place|town",
    "Get the current weather|Get current weather for a location|Get the weather in a city|"
    "Get the current weather in a given location|Get current temperature for a given location.|"
    "Weather report|",
    "The city and state, e.g. San Francisco, CA|The city|City name|"
    "City and country e.g. Bogotá, Colombia||",
    "What's the weather in {x}?|What is the weather in {x}?|What's the weather like in {x}?|"
    "How is the weather in {x}?|Tell me the weather in {x}.|Weather in {x}?|"
    "What is the weather like in {x} today?|Is it raining in {x}?|What's the weather in {x} today?|"
    "How is the weather in {x} today?|What is the temperature in {x}?|"
    "Please check the weather in {x}.|Can you tell me the weather in {x}?|I need the weather for {x}.|"
    "What is the weather in {x} right now?|How warm is it in {x}?|weather in {x}|Is it cold in {x}?|"
    "What's the current weather in {x}?|Get the weather in {x}.|What's the weather in {x} now?",
    place, _weather,
)  # fmt: skip

OTHERS = (
    Kind(
        "get_time|get_current_time|current_time|clock|time_in|get_local_time",
        "city|city|location|place|timezone",
        "Get the current time|Get the time in a city|Current local time|", "The city|City name||",
        "What time is it in {x}?|What's the time in {x}?|Tell me the time in {x}.|"
        "What is the time in {x}?|Time in {x}?|What is the current time in {x}?|"
        "Can you tell me the time in {x}?|What time is it now in {x}?|What's the local time in {x}?|"
        "Please tell me the time in {x}.|What time is it in {x} right now?",
        place, _time,
    ),
    Kind(
        "get_stock_price|get_stock_price|stock_price|get_quote|lookup_stock|stock",
        "symbol|ticker|company|stock",
        "Get the stock price|Get the current price of a stock|Stock quote|",
        "The ticker symbol|Stock symbol, e.g. AAPL||",
        "What is the stock price of {x}?|What's the price of {x}?|How much is {x} stock?|"
        "Stock price of {x}?|Get the stock price of {x}.|Tell me the stock price of {x}.|"
        "What is {x} trading at?|Price of {x} stock?|What's the stock price for {x}?|"
        "Look up the stock {x}.|How is {x} stock doing?",
        lambda rng: pick(rng, "AAPL|MSFT|GOOG|TSLA|AMZN|Apple|Google|Tesla|IBM|Sony") if rng.random() < 0.4
        else letters(rng, string.ascii_uppercase)[:4] if rng.random() < 0.8 else invented(rng).capitalize(),
        _price,
    ),
    Kind(
        "get_population|population|count_people|lookup_population", "country|city|place|region",
        "Get the population|Number of people in a place|", "The country|Name of the place||",
        "What is the population of {x}?|How many people live in {x}?|Population of {x}?|"
        "Tell me the population of {x}.|How big is the population of {x}?|Get the population of {x}.|"
        "What's the population of {x}?",
        lambda rng: rng.choice(list(CAPITALS)) if rng.random() < 0.5 else place(rng),
        _number("population|population|people|count", "The population of {x} is {r}."),
    ),
    Kind(
        "search|web_search|search_web|find|search_docs", "query|query|q|text|keywords",
        "Search the web|Search the documents|Find pages|", "The search query|What to search||",
        "Search for {x}|Search the web for {x}|Please search for {x}|Look for {x}|Find pages about {x}|"
        "Can you search for {x}?|Find {x}|Search: {x}|Do a search for {x}|Look up {x} on the web",
        lambda rng: " ".join(word(rng) for _ in range(rng.randint(1, 4))),
        _text("result|results|text|answer", "I found: {r}.", 8),
    ),
    Kind(
        "define|define_word|dictionary|get_definition", "word|term|text",
        "Define a word|Look up a word|", "The word|Word to define||",
        "What does {x} mean?|Define {x}.|What is the definition of {x}?|Look up the word {x}.|"
        "Define the word {x}.|Tell me what {x} means.|Please define {x}.|Can you define {x}?",
        lambda rng: rng.choice(COMMON) if rng.random() < 0.5 else invented(rng),
        _text("definition|meaning|text", "The word {x} means {r}."),
    ),
    Kind(
        "get_horoscope|horoscope|todays_horoscope", "sign|sign|zodiac",
        "Get today's horoscope for an astrological sign.|Get the horoscope|",
        "An astrological sign like Taurus||",
        "What is my horoscope? I am an {x}.|What is the horoscope for {x}?|Horoscope for {x}, please.|"
        "Tell me the horoscope of {x}.|What's my horoscope? I am a {x}.|I am a {x}. What is my horoscope?",
        lambda rng: pick(rng, "Aquarius|Aries|Taurus|Gemini|Cancer|Leo|Virgo|Libra|Scorpio|Capricorn|Pisces")
        if rng.random() < 0.7 else invented(rng).capitalize(),
        _text("horoscope|text|prediction", "The horoscope for {x}: {r}."),
    ),
    Kind(
        "set_timer|start_timer|timer|set_alarm", "minutes|minutes|duration|length",
        "Set a timer|Start a timer|", "Length in minutes|Minutes||",
        "Set a timer for {x} minutes.|Start a {x} minute timer.|Timer for {x} minutes, please.|"
        "Please set a timer for {x} minutes.|Can you set a timer for {x} minutes?|Wake me in {x} minutes.",
        lambda rng: str(rng.randint(1, 120)),
        lambda rng, x: (rng.choice(_STARTED), f"The timer is set for {x} minutes."),
        "integer",
    ),
)  # fmt: skip

_NOUNS = listed(
    "price height age score status color owner weight size level rank speed distance address phone email "
    "title author rating balance salary language currency altitude depth length width stock schedule menu "
    "code value"
)


def _any_kind(rng: random.Random) -> Kind:
    """A tool about any noun, so that no list of tools can be learned by heart."""
    noun = rng.choice(_NOUNS) if rng.random() < 0.7 else invented(rng)
    result = _number if rng.random() < 0.5 else _text
    return Kind(
        f"get_{noun}|lookup_{noun}|find_{noun}|read_{noun}|{noun}|fetch_{noun}",
        "name|item|id|key|" + (rng.choice(COMMON) if rng.random() < 0.6 else invented(rng)),
        f"Get the {noun}|Look up the {noun} of something|", "The name|Which one||",
        f"What is the {noun} of {{x}}?|Get the {noun} of {{x}}.|Tell me the {noun} of {{x}}.|"
        f"Look up the {noun} of {{x}}.|"
        f"Please find the {noun} of {{x}}.|Can you get the {noun} of {{x}}?|What's the {noun} of {{x}}?",
        lambda rng: phrase(rng, 2).rstrip(".!?") if rng.random() < 0.5 else invented(rng),
        result(f"{noun}|{noun}|value|result", f"The {noun} of {{x}} is {{r}}."),
    )  # fmt: skip


def any_kind(rng: random.Random) -> Kind:
    """A kind of tool: a third are weather, as in most examples of the API, a fifth are made up."""
    draw = rng.random()
    if draw < 0.32:
        return WEATHER
    return _any_kind(rng) if draw < 0.54 else rng.choice(OTHERS)
