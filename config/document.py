"""The tables of settings for docs/settings.md, one for each group: `python -m config.document` writes them.

It knows how a setting is shown; the settings say everything else themselves. A test compares the file.
"""

from pathlib import Path

from config.settings import REPO, Settings, variables
from config.settings.group import Group
from config.values import bounds

DOCUMENT = REPO / "docs" / "settings.md"
BEGIN, END = "<!-- settings -->\n", "<!-- end -->\n"

_IN_WORDS = {
    "hf_token": "empty",
    "join_key": "empty",
    "hub_cache": "`~/.cache/huggingface/hub`",
    "llm_model": "`models/tiny-chat`",
    "modelscope_token": "empty",
    "model_roots": "`models/`, the hub's cache",
    "voices_dir": "`~/.mlxq/voices`",
    "alias_file": "`~/.mlxq/aliases.json`",
    "usage_prices": "`~/.mlxq/prices.json`",
    "allowed_hosts": "loopback names, those of containers for their host, and `HOST`",
}


def _default(name: str) -> str:
    value = Settings.model_fields[name].default
    if name in _IN_WORDS:
        return _IN_WORDS[name]
    if value in ("", ()):
        return "empty"
    if value is None:
        return "`auto`"
    shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
    return f"`{shown:g}`" if isinstance(shown, int | float) else f"`{shown}`"


def tables() -> str:
    """All settings in Markdown, in the order of `Settings`. A group's heading is what its class says of it."""
    parts = []
    groups = [group for group in reversed(Settings.__bases__) if issubclass(group, Group)]
    for group in groups:
        heading = (group.__doc__ or "").partition(".")[0]
        rows = [f"## {heading}", "", "| Variable | Default | Allowed | Meaning |", "|---|---|---|---|"]
        rows += [_row(name) for name in Settings.model_fields if name in group.model_fields]
        parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _row(name: str) -> str:
    field = Settings.model_fields[name]
    names = ", ".join(f"`{variable}`" for variable in variables(name))
    return f"| {names} | {_default(name)} | {bounds(field)} | {field.description} |"


def document(text: str) -> str:
    """A document with its tables made anew."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + tables() + END + rest.partition(END)[2]


def write(path: Path = DOCUMENT) -> None:
    path.write_text(document(path.read_text()))


if __name__ == "__main__":
    write()
