"""The owner of a job. A key sees only the jobs that were submitted with it.

Downloads are shared: every key that asked for a model waits for the same one. They hold nothing but its name.
"""

from msgspec.structs import replace
from starlette.requests import Request

from api.http.callers.caller import caller_of
from api.http.context import jobs_of
from jobs.errors import Forbidden, JobNotFound
from jobs.info import JobInfo
from jobs.kinds import Kind


async def visible_job(request: Request, job_id: str, *, with_result: bool = False) -> JobInfo:
    """The job, if its caller may see it; then the response is named after it. Raises JobNotFound."""
    caller = caller_of(request)
    info = await jobs_of(request).info(job_id, with_result=with_result)
    if not caller.sees(info.owner):
        if info.kind != Kind.DOWNLOAD:
            raise JobNotFound(f"No job with id '{job_id}'.")
        info = replace(info, app="")
    request.state.request_id = info.id
    return info


async def cancellable_job(request: Request, job_id: str) -> None:
    """Raises JobNotFound, and Forbidden for a download that another key waits for."""
    info = await visible_job(request, job_id)
    if not caller_of(request).sees(info.owner):
        raise Forbidden("This download was asked for with another key, which alone may change it.")
