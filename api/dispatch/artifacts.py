"""The files of a job's result, by kind. Results name them by blob; clients see only their numbers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.kinds import Kind
from mlxq.media.formats import IMAGE_SUFFIXES


@dataclass(frozen=True, slots=True)
class Artifact:
    blob: str
    content_type: str
    #: how a file of that type ends
    suffix: str


def picture(blob: str, content_type: str) -> Artifact:
    return Artifact(blob, content_type, IMAGE_SUFFIXES.get(content_type, "bin"))


def _speech(result: dict[str, Any]) -> dict[int, Artifact]:
    return {0: Artifact(result["audio"], result["content_type"], result["format"])}


def _images(result: dict[str, Any]) -> dict[int, Artifact]:
    return {image["artifact"]: picture(image["blob"], image["content_type"]) for image in result["images"]}


_ARTIFACTS: dict[str, Callable[[dict[str, Any]], Mapping[int, Artifact]]] = {
    Kind.SPEECH: _speech,
    Kind.IMAGE: _images,
}


def artifacts(kind: str, result: dict[str, Any] | None) -> Mapping[int, Artifact]:
    """By their numbers; none for a job that has not ended well, or leaves none."""
    find = _ARTIFACTS.get(kind)
    return find(result) if find is not None and result is not None else {}


def file_url(base: str, job_id: str, number: int) -> str:
    """Where a file of a job can be fetched; `base` ends with a slash."""
    return f"{base}v1/jobs/{job_id}/artifacts/{number}"
