"""A file that a job has made, by the job's id and the file's number, if its caller may see the job."""

from starlette.requests import Request

from api.dispatch.artifacts import Artifact, artifacts, picture
from api.dispatch.ownership import visible_job
from api.http.context import jobs_of
from jobs.errors import NotFound
from jobs.kinds import read_result


async def job_file(request: Request, job_id: str, number: int) -> Artifact:
    """Raises JobNotFound, and NotFound for a number that the job does not have."""
    info = await visible_job(request, job_id, with_result=True)
    made = {} if info.result is None else artifacts(read_result(info.kind, info.result))
    file = made.get(number)
    if file is None:
        # What it has shown on its way is no part of its result.
        shown = await jobs_of(request).file(job_id, number)
        if shown is None:
            raise NotFound(f"Job '{job_id}' has no file number {number} ({info.status}).")
        file = picture(*shown)
    return file
