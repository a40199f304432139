"""Whether a model's chat templates have a place for tools, judged by their text. The engine tests the template itself
later.
"""

import re
from pathlib import Path

from mlxq.catalog.foreign_json import UnsoundJson, read_bytes, read_object

#: The files that hold templates.
_JINJA, _JSON = "chat_template.jinja", ("chat_template.json", "tokenizer_config.json")
#: Bytes of a template's file that are looked at.
_MOST = 1 << 20
_TOOLS = re.compile(r"\btools\b")


def has_no_tools(folder: Path) -> bool:
    """Whether the model in this folder has templates, none of which speaks of tools."""
    texts = []
    try:
        texts.append(read_bytes(folder / _JINJA, _MOST).decode("utf-8", "replace"))
    except (OSError, UnsoundJson):
        texts += [str(read_object(folder / name).get("chat_template") or "") for name in _JSON]
    return any(texts) and not any(map(_TOOLS.search, texts))
