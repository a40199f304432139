"""The files that jobs leave behind, by kind. Their results name them by blob, which no client sees."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.request import Kind


@dataclass(frozen=True, slots=True)
class Artifact:
    blob: str
    content_type: str
    #: how a file of that type ends
    suffix: str


def _speech(result: dict[str, Any]) -> list[Artifact]:
    return [Artifact(result["audio"], result["content_type"], result["format"])]


_ARTIFACTS: dict[str, Callable[[dict[str, Any]], Sequence[Artifact]]] = {Kind.SPEECH: _speech}


def artifacts(kind: str, result: dict[str, Any] | None) -> Sequence[Artifact]:
    """In the order of their numbers; none for a job that has not ended well, or leaves none."""
    find = _ARTIFACTS.get(kind)
    return find(result) if find is not None and result is not None else ()
