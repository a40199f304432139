"""The requests that name a model and say little else."""

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api.http.bodies.fields import RequestModel

Name = Annotated[str, Field(min_length=1)]


class NamedModel(RequestModel):
    """`name` is what `model` was called before."""

    harmless = frozenset({"insecure", "password", "username", "verbose", "options"})

    model: Name | None = None
    name: Name | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "NamedModel":
        if self.model is None and self.name is None:
            raise PydanticCustomError("missing_field", "model is required", {"param": "model"})
        return self

    @property
    def said(self) -> str:
        return self.model or self.name or ""


class PullRequest(NamedModel):
    stream: bool = True
