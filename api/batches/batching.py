"""What the application knows of batches: which addresses take part, how outcomes are written, and what drives them.

Resources register both (api/dispatch/resource.py); this module knows none.
"""

from collections.abc import Callable, Iterable, Mapping

from starlette.requests import HTTPConnection

from api.dispatch.batch_dialect import BatchDialect
from api.dispatch.prepared import Batched
from api.dispatch.resource import Resource


class Batching:
    """One per application."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        resources = tuple(resources)
        #: by address
        self.endpoints: Mapping[str, Batched] = {
            path: batched for resource in resources for path, batched in resource.batched.items()
        }
        #: by name
        self.dialects: Mapping[str, BatchDialect] = {
            resource.batches.name: resource.batches for resource in resources if resource.batches is not None
        }
        #: call it when a batch was accepted or cancelled; the driver of this process says what comes of it
        self.tell: Callable[[], None] = lambda: None


def batching_of(connection: HTTPConnection) -> Batching:
    batching: Batching = connection.app.state.batching
    return batching
