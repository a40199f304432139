"""Modelfiles: from their text to what a model is made of, and back. It does not know which models there are.

Of the instructions, FROM, PARAMETER and SYSTEM count, and LICENSE has no effect. All others are refused.
"""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import orjson

from jobs.errors import InvalidRequest
from jobs.models.alias import ModelAlias

#: An instruction and its value: a text in three quotes over any number of lines, or the rest of the line. The text
#: ends at the first three quotes, so that nothing is read twice.
_INSTRUCTION = re.compile(
    r'[ \t]*([A-Za-z]+)[ \t]+(?:"""((?:(?!""").)*+)"""[ \t]*|([^\n]*))(?:\n|\Z)', re.DOTALL
)
#: What is passed over between them.
_BLANK = re.compile(r"[ \t\r]*(?:#[^\n]*)?(?:\n|\Z)")
#: Names of parameters that are others in Ollama's words.
_WORDS = {
    "max_tokens": "num_predict",
    "repetition_penalty": "repeat_penalty",
    "repetition_context_size": "repeat_last_n",
}
#: Of the windows of the three penalties, which Ollama has as one, the other two.
_SAME_WINDOW = {"presence_context_size", "frequency_context_size"}
#: Why an instruction is refused, by the field of a request that says the same.
REFUSED = {
    "template": "TEMPLATE is not supported: the model's own chat template is used.",
    "adapters": "ADAPTER is not supported: FROM takes a model with an adapter, such as tiny-chat+pirate.",
    "messages": "MESSAGE is not supported: send messages with each request.",
    "files": "Files are not supported: FROM takes a model that is here, or one of the hub such as org/name.",
    "quantize": "Quantisation is not supported: a model is used as it is.",
}
_REFUSED_INSTRUCTIONS = {"TEMPLATE": "template", "ADAPTER": "adapters", "MESSAGE": "messages"}


def read_modelfile(text: str) -> dict[str, Any]:
    """`from`, `system` and `parameters`, as far as they are there. Raises InvalidRequest."""
    found: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    for name, value in _instructions(text.replace("\r\n", "\n")):
        match name:
            case "FROM":
                found["from"] = value
            case "SYSTEM":
                found["system"] = value
            case "PARAMETER":
                key, _, said = value.partition(" ")
                if key == "stop":
                    parameters.setdefault("stop", []).append(_unquoted(said.strip()))
                else:
                    parameters[key] = _value(said.strip())
            case "LICENSE":
                pass
            case _:
                raise _wrong(
                    REFUSED.get(_REFUSED_INSTRUCTIONS.get(name, ""), f"{name[:64]} is no instruction.")
                )
    return found | ({"parameters": parameters} if parameters else {})


def parameter_lines(alias: ModelAlias) -> str:
    """The parameters of an alias, one in each line."""
    lines = []
    for name, value in alias.parameters.items():
        if name in _SAME_WINDOW:
            continue
        for each in value if isinstance(value, list) else [value]:
            lines.append(f"{_WORDS.get(name, name):<30} {orjson.dumps(each).decode()}")
    return "\n".join(lines)


def modelfile(model: str, alias: ModelAlias | None) -> str:
    """The Modelfile that would make this alias again."""
    lines = [f"FROM {model}"]
    if alias is not None:
        lines += [
            f"PARAMETER {' '.join(line.split(None, 1))}" for line in parameter_lines(alias).splitlines()
        ]
        if alias.system:
            lines.append(f'SYSTEM """{alias.system}"""')
    return "\n".join(lines) + "\n"


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(text):
        if blank := _BLANK.match(text, place):
            place = blank.end()
        elif found := _INSTRUCTION.match(text, place):
            quoted, plain = found[2], found[3]
            yield found[1].upper(), quoted if quoted is not None else _unquoted(plain.strip())
            place = found.end()
        else:
            line = text[place:].partition("\n")[0]
            raise _wrong(f"The line {line[:64]!r} is no instruction.")


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _value(text: str) -> object:
    """A number or a switch, else the text."""
    with contextlib.suppress(orjson.JSONDecodeError):
        return orjson.loads(text)
    return text


def _wrong(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="modelfile")
