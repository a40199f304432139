"""The renderers of loads, unloads and downloads, which are the same in every dialect."""

from typing import Any

from api.dispatch.renderers import Answered, Renderer
from api.http.routes.dialect import Dialect
from api.models.changed import ModelChanged, model_changed
from api.models.downloaded import Downloaded, downloaded
from jobs.kinds import Kind
from jobs.meta import DownloadMeta, LoadMeta
from jobs.results import DownloadResult, LoadResult


def model_renderers(dialect: Dialect) -> tuple[Renderer[Any, Any], ...]:
    """Those of a dialect."""
    return (
        Renderer(dialect, Kind.LOAD, LoadMeta, _changed),
        Renderer(dialect, Kind.UNLOAD, LoadMeta, _changed),
        Renderer(dialect, Kind.DOWNLOAD, DownloadMeta, _downloaded),
    )


def _changed(job: Answered[LoadMeta, LoadResult]) -> ModelChanged:
    return model_changed(job.job_id, job.meta, job.result)


def _downloaded(job: Answered[DownloadMeta, DownloadResult]) -> Downloaded:
    return downloaded(job.job_id, job.meta, job.result)
