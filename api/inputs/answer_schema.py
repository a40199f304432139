"""A JSON schema that an answer is held to, as clients name and send it."""

from pydantic import Field, field_validator

from api.http.bodies.fields import RequestModel
from api.http.bodies.nesting import not_deeper_than
from api.inputs.functions import DEEPEST_SCHEMA, Name


class JsonSchema(RequestModel):
    """A schema is enforced whether `strict` is true or not."""

    name: Name
    description: str | None = None
    schema_: dict[str, object] = Field(alias="schema")
    strict: bool | None = None

    @field_validator("schema_")
    @classmethod
    def _not_too_deep(cls, value: dict[str, object]) -> dict[str, object]:
        not_deeper_than(DEEPEST_SCHEMA, value)
        return value


def without_switches(schema: dict[str, object]) -> dict[str, object]:
    """The schema without the grammar library's own extension, which could turn parts of it off."""
    return {key: value for key, value in schema.items() if key != "x-guidance"}
