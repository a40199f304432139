"""A request that became a job, which is not submitted yet: what its route does next is up to the route.

A resource whose requests may also be lines of a batch makes its jobs by one function from a request to this.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from starlette.requests import Request

from api.dispatch.renderers import Renderer
from api.http.bodies.fields import RequestModel
from api.http.job_options.prefer import Preference
from jobs.kinds import KINDS, Kind
from jobs.request import JobRequest

Model = TypeVar("Model", bound=RequestModel)


@dataclass(frozen=True, slots=True)
class Prepared(Generic[Model]):
    """`asked` is the body; `headers` are those of the response."""

    asked: Model
    job: JobRequest
    preference: Preference
    headers: Mapping[str, str]


#: Raises MlxqError.
Prepare = Callable[[Request], Awaitable[Prepared[Any]]]


@dataclass(frozen=True, slots=True)
class Batched:
    """Requests to an address that may be lines of a batch: what makes their jobs, and what writes the answers.

    `fixed`: fields that every line's body has.
    """

    prepare: Prepare
    renderer: Renderer[Any, Any]
    fixed: Mapping[str, object] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """How ids of the jobs begin."""
        return self.renderer.prefix or f"{KINDS[Kind(self.renderer.kind)].prefix}-"
