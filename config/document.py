"""The table of settings for docs/settings.md: `python -m config.document` writes it.

It knows how a setting is shown; the settings say everything else themselves. A test compares the file.
"""

from pathlib import Path

from config.settings import REPO, Settings, variables
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


def table() -> str:
    """All settings as a Markdown table, in the order of `Settings`."""
    rows = ["| Variable | Default | Allowed | Meaning |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        names = ", ".join(f"`{variable}`" for variable in variables(name))
        rows.append(f"| {names} | {_default(name)} | {bounds(field)} | {field.description} |")
    return "\n".join(rows) + "\n"


def document(text: str) -> str:
    """A document with its table made anew."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


def write(path: Path = DOCUMENT) -> None:
    path.write_text(document(path.read_text()))


if __name__ == "__main__":
    write()
