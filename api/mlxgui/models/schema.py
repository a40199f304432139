"""The bodies of MLX-GUI's resource of models: install, and how a model is."""

from typing import Annotated

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

from api.http.bodies.fields import RequestModel

#: A name that a user gives: it has no slash, so that it never looks like a hub's.
GivenName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,95}$")]


class InstallRequest(RequestModel):
    """`name` is another name of the model from then on, beside its id."""

    model_id: str = Field(max_length=1024)
    name: GivenName | None = None
    background: bool | None = None


class ModelHealth(TypedDict):
    """A model is healthy when it answers at once: it is loaded."""

    model: str
    status: str
    healthy: bool
    last_used: str | None
