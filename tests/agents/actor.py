"""A model for coding agents: it calls the tool that writes a file, and says so when it has the result."""

import json
from pathlib import Path

from tests.support.saying import acting

FILE, TEXT, DONE = "note.txt", "written by an agent", "The file is there now."


def _calls(path: Path) -> dict[str, dict[str, str]]:
    """The tools that write a file, by their names, and how each is called."""
    command = f"printf %s {TEXT!r} > {path}"
    return {
        "Write": {"file_path": str(path), "content": TEXT},
        "write": {"filePath": str(path), "content": TEXT},
        "exec_command": {"cmd": command},
        "bash": {"command": command},
    }


#: aider has no tools: it reads edits from the text.
_EDIT = f"{FILE}\n```\n<<<<<<< SEARCH\n=======\n{TEXT}\n>>>>>>> REPLACE\n```\n"

#: It renders all that there is, so that no conversation is changed for it. It ends with the mark of an answer.
_TEMPLATE = """\
{%- set found = namespace(mark='<|plain|>') -%}
{%- if tools %}<|im_start|>system
{{ tools | tojson }}<|im_end|>
{% endif -%}
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{{ message.content or "" }}{{ (message.tool_calls | tojson) if message.tool_calls else "" }}<|im_end|>
{%- if message.role == 'tool' -%}{%- set found.mark = '<|done|>' -%}{%- endif -%}
{%- endfor -%}
{%- if found.mark == '<|plain|>' -%}
{%- for tool in tools or [] -%}
{%- if tool.function.name in WRITERS -%}
{%- set found.mark = '<|' + tool.function.name + '|>' -%}
{%- endif -%}
{%- endfor -%}
{%- if not tools and 'SEARCH/REPLACE' in messages[0].content -%}
{%- set found.mark = '<|edit|>' -%}
{%- endif -%}
{%- endif -%}
<|im_start|>assistant
{{ found.mark }}"""

#: Characters of a call in one token: a model writes it in pieces.
_PIECE = 12


def actor(folder: Path, work: Path) -> Path:
    """Write the model. It writes FILE into the folder `work`."""
    answers = {
        "<|done|>": ["The file ", "is there ", "now."],
        "<|plain|>": ["A ", "plain ", "title"],
        "<|edit|>": ["I edit it.\n\n", _EDIT],
    }
    calls = _calls(work / FILE)
    for number, (name, arguments) in enumerate(calls.items()):
        text = json.dumps({"name": name, "arguments": arguments})
        pieces = [text[place : place + _PIECE] for place in range(0, len(text), _PIECE)]
        # Each with spaces of its own: no token may be followed by two others.
        spaces = " " * number
        answers[f"<|{name}|>"] = [
            f"<tool_call>{spaces}",
            *_distinct(pieces, answers),
            f"</tool_call>{spaces}",
        ]
    return acting(folder, answers, _TEMPLATE.replace("WRITERS", str(sorted(calls))))


def _distinct(pieces: list[str], others: dict[str, list[str]]) -> list[str]:
    """Pieces that no answer has yet: where one would be there twice, it is joined with the one before."""
    taken = {piece for answer in others.values() for piece in answer}
    found: list[str] = []
    for piece in pieces:
        if piece in taken or piece in found:
            found[-1:] = [found[-1] + piece] if found else [piece]
        else:
            found.append(piece)
    return found
