"""The answer of a download, which is the same in every dialect that has one."""

from typing_extensions import TypedDict

from jobs.meta import DownloadMeta
from jobs.results import DownloadResult


class Downloaded(TypedDict):
    """`fetched_bytes` came over the net, `resumed_bytes` were here before. `job_id` is null when it was installed."""

    message: str
    model_name: str
    model_id: str
    repo_id: str
    status: str
    source: str | None
    revision: str | None
    bytes: int | None
    fetched_bytes: int
    resumed_bytes: int
    job_id: str | None


def downloaded(job_id: str | None, meta: DownloadMeta, result: DownloadResult) -> Downloaded:
    """`meta` is what was noted of the request, `result` that of the download."""
    model, status = meta.model or "", result.status
    name = meta.name or model
    how = "is already installed" if status == "already_installed" else "installed successfully"
    return {
        "message": f"Model '{name}' {how}",
        "model_name": name,
        "model_id": model,
        "repo_id": model,
        "status": status,
        "source": result.source,
        "revision": result.revision,
        "bytes": result.bytes,
        "fetched_bytes": result.fetched_bytes,
        "resumed_bytes": result.resumed_bytes,
        "job_id": job_id,
    }
