"""Functions that a model may call: their descriptions, and the arguments of calls, as clients send them."""

from typing import Annotated, Any

import orjson
from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from api.http.bodies.fields import RequestModel
from api.http.bodies.nesting import not_deeper_than

#: Levels of objects and lists that the JSON of a schema may have.
DEEPEST_SCHEMA = 64

Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class FunctionTool(RequestModel):
    name: Name
    description: str | None = None
    parameters: dict[str, object] | None = None
    strict: bool | None = None

    @field_validator("parameters")
    @classmethod
    def _an_objects_schema(cls, value: dict[str, object] | None) -> dict[str, object] | None:
        if value is not None and value.get("type", "object") != "object":
            raise PydanticCustomError("not_an_object", "must be a JSON schema of the type 'object'")
        not_deeper_than(DEEPEST_SCHEMA, value)
        # Arguments are an object also where the schema leaves that to the reader.
        return {"type": "object", **value} if value else value


def distinct(functions: list[FunctionTool]) -> list[FunctionTool]:
    """Each once. Raises pydantic's error where two that differ have one name."""
    found: dict[str, FunctionTool] = {}
    for function in functions:
        if found.setdefault(function.name, function) != function:
            raise PydanticCustomError(
                "twice", "must not hold two functions named '{name}'", {"name": function.name}
            )
    return list(found.values())


#: Levels of objects and lists that arguments may have which are no JSON text.
_DEEPEST_ARGUMENTS = 64


def _read_arguments(value: Any) -> Any:
    """The arguments of a call as text: OpenAI has JSON text, Ollama an object, and some clients send nothing."""
    if value is None or isinstance(value, str):
        return value or ""
    not_deeper_than(_DEEPEST_ARGUMENTS, value)
    return orjson.dumps(value).decode()


Arguments = Annotated[
    str,
    BeforeValidator(_read_arguments),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "null"}]}),
]


def arguments_object(arguments: str) -> dict[str, object]:
    """The arguments that a model wrote, for dialects whose calls have an object. Those of a call that was cut are no
    JSON: its answer's reason says so.
    """
    try:
        value = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
