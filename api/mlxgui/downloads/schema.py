"""Installing and deleting models: OminiX' and MLX-GUI's requests, and the one body that answers each."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from api.http.fields import RequestModel

#: A name that a user gives: it has no slash, so that it never looks like a hub's.
GivenName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,95}$")]


class DownloadRequest(RequestModel):
    """OminiX-MLX' request."""

    repo_id: str = Field(max_length=1024)
    background: bool | None = None


class InstallRequest(RequestModel):
    """MLX-GUI's request. `name` is what the model is called from then on, beside its id."""

    model_id: str = Field(max_length=1024)
    name: GivenName | None = None
    background: bool | None = None


def downloaded(job_id: str | None, meta: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """What download and install answer, with how many bytes came over the net and how many were here before."""
    model, status = meta["model"], result["status"]
    name = meta.get("name") or model
    how = "is already installed" if status == "already_installed" else "installed successfully"
    return {
        "message": f"Model '{name}' {how}",
        "model_name": name,
        "model_id": model,
        "repo_id": model,
        "status": status,
        "source": result.get("source"),
        "revision": result.get("revision"),
        "bytes": result.get("bytes"),
        "fetched_bytes": result.get("fetched_bytes", 0),
        "resumed_bytes": result.get("resumed_bytes", 0),
        "job_id": job_id,
    }


def deleted(name: str, *, removed_files: bool) -> dict[str, Any]:
    """What OpenAI's clients and MLX-GUI's expect of a deletion."""
    return {
        "id": name,
        "object": "model",
        "deleted": True,
        "message": f"Model '{name}' deleted successfully",
        "removed_files": removed_files,
        "status": "deleted",
    }
