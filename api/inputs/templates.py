"""What a chat template supports, judged by its text. The engine tests the template itself later."""

import re
from functools import lru_cache
from pathlib import Path

from mlxq.catalog.foreign_json import UnsoundJson, read_bytes, read_object

#: The files that hold templates.
_JINJA, _JSON = "chat_template.jinja", ("chat_template.json", "tokenizer_config.json")
#: Bytes of a template's file that are looked at.
_MOST = 1 << 20
_TOOLS = re.compile(r"\btools\b")
#: How the warning ends for a model whose template has none.
NO_TOOLS = "the model's template has no place for tools: they are described in the system prompt"


def has_no_tools(folder: Path | None) -> bool:
    """Whether the model in this folder has templates, none of which speaks of tools. It reads files."""
    if folder is None:
        return False
    files = [folder / name for name in (_JINJA, *_JSON)]
    return _has_no_tools(folder, tuple(_changed(file) for file in files))


@lru_cache(maxsize=64)
def _has_no_tools(folder: Path, _changed: tuple[int, ...]) -> bool:
    texts = []
    try:
        texts.append(read_bytes(folder / _JINJA, _MOST).decode("utf-8", "replace"))
    except (OSError, UnsoundJson):
        texts += [str(read_object(folder / name).get("chat_template") or "") for name in _JSON]
    return any(texts) and not any(map(_TOOLS.search, texts))


def _changed(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0
