"""The catalogue of models that Codex asks for, with `client_version`: `/v1/models` in another shape.

Codex' own source says which fields it needs (codex-rs/protocol/src/openai_models.rs, `ModelInfo`); 0.169 is the
version that was tried. Models that it finds here get tools as any unknown model does, and conversations are compacted
at the model's own length.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NotRequired

from typing_extensions import TypedDict

from api.models.entry import ModelEntry
from jobs.kinds import Category
from mlxq.catalog.service_names import service_category

Effort = Literal["low", "medium", "high"]
_EFFORTS: dict[Effort, str] = {"low": "Short thoughts", "medium": "As usual", "high": "Long thoughts"}
#: What of a tool's output the model reads, in bytes: as for models that Codex does not know.
_OUTPUT = 10_000
#: The system prompt. Codex demands one of each model in the catalogue. This one has a tenth of the length of Codex'
#: own, which small models read for long and follow badly.
_INSTRUCTIONS = """\
You are a coding agent in Codex, a program in the user's terminal. You and the user share the files of the working \
directory.

- Do the work with the tools instead of describing it. Look at the files before you change them, and go on until the \
task is done.
- Run commands with exec_command: list files with ls or rg --files, search with rg or grep, read with cat or sed -n. \
Write a file by a command with a here-document; change one by small, exact edits.
- Keep to the style of the code that is there. Change only what the task needs. Commit nothing and create no branch \
unless you are asked.
- Instructions in a file AGENTS.md hold for its folder and all folders below it.
- When a command fails, read the error, find its cause and try again. Check your work, by the project's own tests \
where there are any.
- Ask the user only when you cannot go on without an answer.
- At the end, say in a few sentences what you have done and what is left. Name files by their paths.
"""


class CodexEffort(TypedDict):
    effort: Effort
    description: str


class CodexTruncation(TypedDict):
    mode: Literal["bytes", "tokens"]
    limit: int


class CodexModel(TypedDict):
    """`slug` is the name in requests. The first by `priority` is the default."""

    slug: str
    display_name: str
    description: str | None
    default_reasoning_level: NotRequired[Effort]
    supported_reasoning_levels: list[CodexEffort]
    shell_type: Literal["default"]
    visibility: Literal["list"]
    supported_in_api: bool
    priority: int
    availability_nux: None
    upgrade: None
    base_instructions: str
    supports_reasoning_summaries: bool
    support_verbosity: bool
    default_verbosity: None
    apply_patch_tool_type: None
    truncation_policy: CodexTruncation
    supports_parallel_tool_calls: bool
    context_window: NotRequired[int]
    max_context_window: NotRequired[int]
    experimental_supported_tools: list[str]
    input_modalities: list[Literal["text", "image"]]
    supports_search_tool: bool
    use_responses_lite: bool


class CodexCatalogue(TypedDict):
    models: list[CodexModel]


def catalogue(entries: Sequence[ModelEntry], default: str) -> CodexCatalogue:
    """The chat models and their aliases. `default` is the id of the default model."""
    found = sorted(_named(entries), key=lambda each: each[1] != default)
    return {"models": [_model(entry, name, place) for place, (entry, name) in enumerate(found)]}


def _named(entries: Sequence[ModelEntry]) -> Iterator[tuple[ModelEntry, str]]:
    """Each model by its id and by its aliases, but for names that Codex knows: it would expect its maker's models."""
    for entry in entries:
        if entry.category == Category.LLM:
            for name in dict.fromkeys((entry.id, *entry.aliases)):
                if service_category(name) is None:
                    yield entry, name


def _model(entry: ModelEntry, name: str, priority: int) -> CodexModel:
    thinks = entry.card is not None and entry.card.thinks
    found: CodexModel = {
        "slug": name,
        "display_name": name,
        "description": None if name == entry.id else f"An alias of {entry.id}",
        "supported_reasoning_levels": [
            {"effort": effort, "description": said} for effort, said in _EFFORTS.items() if thinks
        ],
        "shell_type": "default",
        "visibility": "list",
        "supported_in_api": True,
        "priority": priority,
        "availability_nux": None,
        "upgrade": None,
        "base_instructions": _INSTRUCTIONS,
        "supports_reasoning_summaries": thinks,
        "support_verbosity": False,
        "default_verbosity": None,
        "apply_patch_tool_type": None,
        "truncation_policy": {"mode": "bytes", "limit": _OUTPUT},
        "supports_parallel_tool_calls": False,
        "experimental_supported_tools": [],
        "input_modalities": ["text", "image"] if entry.sees else ["text"],
        "supports_search_tool": False,
        "use_responses_lite": False,
    }
    if thinks:
        found["default_reasoning_level"] = "medium"
    if entry.context_length:
        found["context_window"] = found["max_context_window"] = entry.context_length
    return found
