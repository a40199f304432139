"""What a model's chat templates have a place for, by their text. The engine tests the template itself later."""

import re
from pathlib import Path

from mlxq.catalog.foreign_json import UnsoundJson, read_bytes, read_object

#: The files that hold templates.
_JINJA, _JSON = "chat_template.jinja", ("chat_template.json", "tokenizer_config.json")
#: Bytes of a template's file that are looked at.
_MOST = 1 << 20
_TOOLS = re.compile(r"\btools\b")
_THOUGHTS = re.compile(r"enable_thinking|reasoning_content|reasoning_effort|<think>")


def chat_templates(folder: Path) -> list[str]:
    """The texts of the templates of the model in this folder."""
    try:
        texts = [read_bytes(folder / _JINJA, _MOST).decode("utf-8", "replace")]
    except (OSError, UnsoundJson):
        texts = [str(read_object(folder / name).get("chat_template") or "") for name in _JSON]
    return [text for text in texts if text]


def has_no_tools(templates: list[str]) -> bool:
    """Whether there are templates, none of which speaks of tools."""
    return bool(templates) and not any(map(_TOOLS.search, templates))


def speaks_of_thoughts(templates: list[str]) -> bool:
    return any(map(_THOUGHTS.search, templates))
