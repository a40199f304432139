"""A model for coding agents: it calls the tool that writes a file, and says so when it has the result."""

import json
from pathlib import Path

from tests.support.saying import acting

FILE, TEXT, DONE = "note.txt", "written by an agent", "The file is there now."

#: The tools that write a file, and what each takes, by their names.
_WRITERS = {
    "Write": lambda path: {"file_path": str(path), "content": TEXT},
    "write": lambda path: {"filePath": str(path), "content": TEXT},
    "exec_command": lambda path: {"cmd": f"printf %s {TEXT!r} > {path}"},
    "bash": lambda path: {"command": f"printf %s {TEXT!r} > {path}"},
}
#: aider has no tools: it reads edits from the text.
_EDIT = f"{FILE}\n```\n<<<<<<< SEARCH\n=======\n{TEXT}\n>>>>>>> REPLACE\n```\n"

_TEMPLATE = """\
{%%- set found = namespace(mark='<|plain|>') -%%}
{%%- if tools %%}<|im_start|>system
{{ tools | tojson }}<|im_end|>
{%% endif -%%}
{%%- for message in messages -%%}
<|im_start|>{{ message.role }}
{{ message.content or "" }}{{ (message.tool_calls | tojson) if message.tool_calls else "" }}<|im_end|>
{%%- if message.role == 'tool' -%%}{%%- set found.mark = '<|done|>' -%%}{%%- endif -%%}
{%%- endfor -%%}
{%%- if found.mark == '<|plain|>' -%%}
{%%- for tool in tools or [] -%%}
{%%- if tool.function.name in %(writers)s -%%}{%%- set found.mark = '<|' + tool.function.name + '|>' -%%}{%%- endif -%%}
{%%- endfor -%%}
{%%- if not tools and 'SEARCH/REPLACE' in messages[0].content -%%}{%%- set found.mark = '<|edit|>' -%%}{%%- endif -%%}
{%%- endif -%%}
<|im_start|>assistant
{{ found.mark }}"""


def actor(folder: Path, work: Path) -> Path:
    """Write the model. It writes FILE into the folder `work`."""
    answers = {"<|done|>": ["The file ", "is there ", "now."], "<|plain|>": ["A ", "plain ", "title"]}
    for name, arguments in _WRITERS.items():
        text = json.dumps({"name": name, "arguments": arguments(work / FILE)})
        # In pieces, as a model writes it; a space in front makes those of one tool different from another's.
        size = 12
        pieces = [text[place : place + size] for place in range(0, len(text), size)]
        answers[f"<|{name}|>"] = [f"<tool_call>{' ' * len(answers)}", *_distinct(pieces, answers), "</tool_call>" + " " * len(answers)]
    answers["<|edit|>"] = ["I edit it.\n\n", _EDIT]
    return acting(folder, answers, _TEMPLATE % {"writers": sorted(_WRITERS)})


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
