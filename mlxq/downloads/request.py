"""The job that fetches a model: one for each model at a time, whoever asks for it."""

import time

from config.settings import Settings
from jobs.request import Category, JobRequest, Kind, new_job_id

#: Seconds that a download may take: it ends by itself when nothing comes any more.
LONGEST = 7 * 86_400.0


def download_request(
    settings: Settings, repo_id: str, *, app: str = "", owner: str = "", name: str | None = None
) -> JobRequest:
    """A request for the model of that hub id. While it is being fetched already, it means that job."""
    source = settings.model_source
    return JobRequest(
        id=new_job_id(Kind.DOWNLOAD),
        category=Category.DOWNLOAD,
        kind=Kind.DOWNLOAD,
        model=repo_id,
        payload={"source": source},
        timeout=LONGEST,
        app=app,
        owner=owner,
        fingerprint=f"download:{source}:{repo_id}",
        join=True,
        meta={"model": repo_id, "name": name, "created": int(time.time())},
    )
