"""Tools that OpenAI names and the client runs itself: the functions that stand for them, and their items.

Their calls have no deltas in OpenAI's streams: an item is added, and is done.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from api.inputs.functions import FunctionTool

_TEXT, _COUNT = {"type": "string"}, {"type": "integer"}


def _function(name: str, description: str, required: list[str], **properties: object) -> FunctionTool:
    return FunctionTool.model_construct(
        name=name,
        description=description,
        parameters={
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        },
        strict=None,
    )


#: By their types.
CLIENT_TOOLS: dict[str, FunctionTool] = {
    "local_shell": _function(
        "local_shell",
        "Run a command on the user's machine.",
        ["command"],
        command={"type": "array", "items": _TEXT, "description": "The program and its arguments."},
        working_directory=_TEXT,
        timeout_ms=_COUNT,
    ),
    "shell": _function(
        "shell",
        "Run shell commands on the user's machine, one after the other.",
        ["commands"],
        commands={"type": "array", "items": _TEXT},
        timeout_ms=_COUNT,
        max_output_length=_COUNT,
    ),
    "apply_patch": _function(
        "apply_patch",
        "Create, change or delete a file of the user.",
        ["type", "path"],
        type={"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
        path=_TEXT,
        diff={"type": "string", "description": "Of a file that is created or changed, as a V4A diff."},
    ),
    "tool_search": _function(
        "tool_search",
        "Search for further tools, which can be called afterwards.",
        ["query"],
        query={"type": "string", "description": "What the tool has to do."},
    ),
}


def _object(arguments: str) -> dict[str, Any]:
    try:
        found = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)] if value else []


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _local_shell(arguments: dict[str, Any]) -> dict[str, object]:
    action: dict[str, object] = {"type": "exec", "command": _texts(arguments.get("command")), "env": {}}
    if folder := arguments.get("working_directory"):
        action["working_directory"] = str(folder)
    if (timeout := _count(arguments.get("timeout_ms"))) is not None:
        action["timeout_ms"] = timeout
    return {"action": action}


def _shell(arguments: dict[str, Any]) -> dict[str, object]:
    action = {
        "commands": _texts(arguments.get("commands")),
        "timeout_ms": _count(arguments.get("timeout_ms")),
        "max_output_length": _count(arguments.get("max_output_length")),
    }
    return {"action": action, "environment": None}


def _apply_patch(arguments: dict[str, Any]) -> dict[str, object]:
    kind = arguments.get("type")
    kind = kind if kind in ("create_file", "update_file", "delete_file") else "update_file"
    operation: dict[str, object] = {"type": kind, "path": str(arguments.get("path", ""))}
    if kind != "delete_file":
        operation["diff"] = str(arguments.get("diff", ""))
    return {"operation": operation}


def _tool_search(arguments: dict[str, Any]) -> dict[str, object]:
    return {"execution": "client", "arguments": arguments}


_FIELDS: Mapping[str, Callable[[dict[str, Any]], dict[str, object]]] = {
    "local_shell": _local_shell,
    "shell": _shell,
    "apply_patch": _apply_patch,
    "tool_search": _tool_search,
}


def call_fields(kind: str, arguments: str) -> dict[str, object]:
    """What the item of a call has beside its id and status. Arguments that are no JSON object count as none."""
    return _FIELDS[kind](_object(arguments))


def call_arguments(kind: str, item: Mapping[str, Any]) -> str:
    """The arguments of such an item, as the model had written them."""
    match kind:
        case "local_shell" | "shell":
            action = item.get("action")
            values = (
                {key: each for key, each in action.items() if key not in ("type", "env")}
                if isinstance(action, dict)
                else {}
            )
        case "apply_patch":
            operation = item.get("operation")
            values = operation if isinstance(operation, dict) else {}
        case _:
            arguments = item.get("arguments")
            if isinstance(arguments, str):
                return arguments
            values = arguments if isinstance(arguments, dict) else {}
    return orjson.dumps({key: each for key, each in values.items() if each is not None}).decode()
