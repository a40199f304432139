"""A tool in use: its schema as clients send it, a question that needs it, the right call and the result."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from tiny_chat.dialogue import Tool, pick
from tiny_chat.kinds import WEATHER, Kind, any_kind


@dataclass(frozen=True)
class Use:
    """One tool of one kind, asked about one subject."""

    kind: Kind
    tool: Tool
    question: str
    subject: str
    arguments: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.tool["function"]["name"])


def _schema(rng: random.Random, kind: Kind, name: str, argument: str) -> Tool:
    """The tool as clients send it; key order and optional keys differ between clients."""
    described: dict[str, Any] = {"type": kind.argument_type}
    if about := pick(rng, kind.argument_about):
        described["description"] = about
    properties: dict[str, Any] = {argument: described}
    if kind is WEATHER and rng.random() < 0.35:
        properties["unit"] = {"type": "string", "enum": ["celsius", "fahrenheit"]}
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    if rng.random() < 0.7:
        parameters["required"] = [argument]
    if rng.random() < 0.15:
        parameters["additionalProperties"] = False
    function: dict[str, Any] = {"name": name}
    if about := pick(rng, kind.about):
        function["description"] = about
    function["parameters"] = parameters
    if rng.random() < 0.05:
        function["strict"] = True
    tool = {"type": "function", "function": function}
    return {"function": function, "type": "function"} if rng.random() < 0.05 else tool


def any_use(rng: random.Random, kind: Kind | None = None) -> Use:
    """A tool with a question about a random subject and the arguments of the right call."""
    kind = kind or any_kind(rng)
    name, argument, subject = pick(rng, kind.names), pick(rng, kind.arguments), kind.subject(rng)
    tool = _schema(rng, kind, name, argument)
    question = pick(rng, kind.asks).format(x=subject)
    arguments: dict[str, Any] = {argument: int(subject) if kind.argument_type == "integer" else subject}
    properties = tool["function"]["parameters"]["properties"]
    if "unit" in properties and rng.random() < 0.4:
        unit = pick(rng, "celsius|fahrenheit")
        arguments["unit"] = unit
        mark = question[-1] if question[-1] in "?." else ""
        question = f"{question.rstrip('?.')} in {unit}{mark}"
    return Use(kind, tool, question, subject, arguments)


def result_text(rng: random.Random, use: Use) -> tuple[str, str]:
    """What the tool returns, as text, and the answer that follows from it."""
    if rng.random() < 0.04:
        error = pick(rng, "not found|no connection|timeout|unknown city|no such entry|internal error")
        return json.dumps({"error": error}), f"Sorry, the tool failed: {error}."
    returned, answer = use.kind.result(rng, use.subject)
    if isinstance(returned, str):
        return returned, answer
    separators = (",", ":") if rng.random() < 0.2 else None
    return json.dumps(returned, ensure_ascii=False, separators=separators), answer
