"""The form that an answer must have: text, any JSON object, or JSON after a schema."""

from typing import Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from api.http.bodies.fields import RequestModel
from api.http.bodies.nesting import not_deeper_than
from api.inputs.answer_schema import JsonSchema, without_switches
from api.inputs.functions import DEEPEST_SCHEMA


class ResponseFormat(RequestModel):
    """`schema` beside the type `json_object` is MLX-Omni's way to say what OpenAI's `json_schema` says."""

    type: Literal["text", "json_object", "json_schema"]
    schema_: dict[str, object] | None = Field(default=None, alias="schema")
    json_schema: JsonSchema | None = Field(default=None, validate_default=True)

    @field_validator("schema_")
    @classmethod
    def _not_too_deep(cls, value: dict[str, object] | None) -> dict[str, object] | None:
        not_deeper_than(DEEPEST_SCHEMA, value)
        return value

    @field_validator("json_schema")
    @classmethod
    def _there_if_it_is_the_type(cls, value: JsonSchema | None, info: ValidationInfo) -> JsonSchema | None:
        if value is None and info.data.get("type") == "json_schema":
            raise PydanticCustomError("missing", "is required by the type 'json_schema'")
        return value

    @property
    def enforced(self) -> tuple[str, dict[str, object]] | None:
        """Where the schema stands below `response_format`, and the schema; None for text."""
        if self.type == "json_schema":
            assert self.json_schema is not None
            return "json_schema.schema", without_switches(self.json_schema.schema_)
        if self.type == "json_object":
            return "schema", {"type": "object"} if self.schema_ is None else without_switches(self.schema_)
        return None
