"""What is told of models, from the inventory's entries."""

import hashlib
import time
from datetime import UTC, datetime
from typing import Any

from api.models.entry import ModelEntry
from api.models.weights import parameters, quantization, short
from api.ollama.models.answer import Details, Loaded, Shown, Tag
from api.ollama.models.modelfile import modelfile, parameter_lines

#: An end of its stay that is as good as none.
_FOREVER = datetime(2318, 1, 1, tzinfo=UTC)


def tag(entry: ModelEntry, capabilities: list[str], alias: str = "") -> Tag:
    return {
        "name": alias or entry.id,
        "model": alias or entry.id,
        "modified_at": _time(entry.created),
        "size": entry.card.disk_bytes if entry.card else 0,
        "digest": _digest(entry, alias),
        "details": _details(entry, alias),
        "capabilities": capabilities,
    }


def loaded(entry: ModelEntry) -> Loaded:
    size = entry.required_bytes or 0
    return {
        "name": entry.id,
        "model": entry.id,
        "size": size,
        "digest": _digest(entry),
        "details": _details(entry),
        "expires_at": _expiry(entry),
        "size_vram": size,
        "context_length": entry.context_length or 0,
    }


def _expiry(entry: ModelEntry) -> str:
    """When it leaves if nobody uses it again; a job that still runs may have begun longer ago than it stays."""
    if entry.keep is None:
        return _FOREVER.isoformat()
    leaves_at = max(entry.wanted_at + entry.keep, time.time())
    return datetime.fromtimestamp(min(leaves_at, _FOREVER.timestamp()), UTC).isoformat()


def shown(entry: ModelEntry, capabilities: list[str]) -> Shown:
    """Of its aliases, an entry that was found by its name has that one."""
    name, alias = next(iter(entry.aliases.items()), ("", None))
    family = _family(entry)
    info: dict[str, Any] = {"general.architecture": family, "general.basename": entry.id}
    if (number := parameters(entry.card)) is not None:
        info["general.parameter_count"] = number
    if entry.context_length:
        info[f"{family}.context_length"] = entry.context_length
    found: Shown = {
        "license": "",
        "modelfile": modelfile(entry.id, alias),
        "parameters": "" if alias is None else parameter_lines(alias),
        "template": "",
        "details": _details(entry, name),
        "model_info": info,
        "capabilities": capabilities,
        "modified_at": _time(entry.created),
    }
    if alias is not None and alias.system:
        found["system"] = alias.system
    return found


def _details(entry: ModelEntry, alias: str = "") -> Details:
    family, number = _family(entry), parameters(entry.card)
    return {
        "parent_model": entry.id if alias else "",
        "format": "mlx",
        "family": family,
        "families": [family],
        "parameter_size": "" if number is None else short(number),
        "quantization_level": quantization(entry.card),
    }


def _family(entry: ModelEntry) -> str:
    return (entry.card.model_type if entry.card else "") or entry.category


def _digest(entry: ModelEntry, alias: str = "") -> str:
    """Of what it is known by: the same as long as its files are as large."""
    size = entry.card.disk_bytes if entry.card else 0
    return hashlib.sha256(f"{alias or entry.id} {size} {entry.created}".encode()).hexdigest()


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
