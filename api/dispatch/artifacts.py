"""The files of a job's result, by number. Results name them by blob; clients see only their numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.results import Result
from mlxq.media.formats import IMAGE_SUFFIXES


@dataclass(frozen=True, slots=True)
class Artifact:
    blob: str
    content_type: str
    #: how a file of that type ends
    suffix: str


def picture(blob: str, content_type: str) -> Artifact:
    return Artifact(blob, content_type, IMAGE_SUFFIXES.get(content_type, "bin"))


def artifacts(result: Result) -> Mapping[int, Artifact]:
    """By their numbers."""
    return {
        number: Artifact(file.blob, file.content_type, file.suffix or picture("", file.content_type).suffix)
        for number, file in result.files().items()
    }


def file_url(base: str, job_id: str, number: int) -> str:
    """Where a file of a job can be fetched; `base` ends with a slash."""
    return f"{base}v1/jobs/{job_id}/artifacts/{number}"
