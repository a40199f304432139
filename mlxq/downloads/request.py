"""Makes the job that downloads a model. Requests for the same model share one job."""

import time

from config.settings import Settings
from jobs.kinds import DOWNLOADS, KINDS, Kind
from jobs.meta import DownloadMeta
from jobs.payloads import DownloadPayload
from jobs.request import NATIVE_DIALECT, Attach, JobRequest, new_job_id
from jobs.webhooks import Webhook


def download_request(
    settings: Settings,
    repo_id: str,
    *,
    app: str = "",
    owner: str = "",
    name: str | None = None,
    dialect: str = NATIVE_DIALECT,
    webhook: Webhook | None = None,
) -> JobRequest:
    """A request for the model of that hub id. While a download of it runs, the request joins that job.

    `webhook` takes the place of that of the settings.
    """
    source = settings.model_source
    return JobRequest(
        id=new_job_id(Kind.DOWNLOAD),
        queue=DOWNLOADS,
        kind=Kind.DOWNLOAD,
        model=repo_id,
        payload=DownloadPayload(source=source),
        timeout=KINDS[Kind.DOWNLOAD].timeout(settings),
        app=app,
        owner=owner,
        fingerprint=f"download:{source}:{repo_id}",
        attach=Attach.LIVING,
        dialect=dialect,
        webhook=webhook or Webhook.of(settings),
        meta=DownloadMeta(model=repo_id, name=name, created=int(time.time())),
    )
