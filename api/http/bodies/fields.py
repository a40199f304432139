"""Types that several requests share. Strict: JSON's own types, without coercion, infinities or NaN."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from api.http.bodies.early import stop_early
from mlxq.media.languages import language_tag

#: The largest number that every engine supports.
MAX_COUNT = 2**31 - 1

Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]
CountOrNone = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Probability = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]

#: A duration as Ollama's clients write it: seconds, or numbers with their units, as Go has them ("1h30m").
_DURATION = re.compile(r"([+-]?)((?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|ms|s|m|h))+|[0-9]+(?:\.[0-9]+)?)")
_PART = re.compile(r"([0-9.]+)(ns|us|µs|ms|s|m|h)?")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_LONGEST_DURATION = 64


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.strip()
    found = _DURATION.fullmatch(text) if len(text) <= _LONGEST_DURATION else None
    if found is None:
        raise PydanticCustomError(
            "duration", "must be a number of seconds, or a duration such as '5m', '24h' or '1h30m'"
        )
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(found[2]))
    return -seconds if found[1] == "-" else seconds


#: Seconds that the model stays in memory after the answer: 0 unloads it at once, less than 0 keeps it.
KeepAlive = Annotated[
    float,
    BeforeValidator(_duration),
    Field(ge=-1e9, le=1e9),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]

#: A tag of BCP 47, a code or a name; None and 'auto' leave it to the model.
Language = Annotated[str | None, Field(max_length=64), AfterValidator(language_tag)]


def wrong(param: str, message: str) -> PydanticCustomError:
    """For fields that contradict each other: `param` is the wrong one."""
    return PydanticCustomError("wrong", "{message}", {"message": message, "param": param})


class RequestModel(BaseModel):
    """A request body. Fields that it does not know are ignored; `api/http/bodies/body.py` names them to the client.

    Its validator is built when it is used for the first time: most are never used in the life of a process.
    """

    model_config = ConfigDict(
        strict=True, extra="ignore", allow_inf_nan=False, protected_namespaces=(), defer_build=True
    )

    #: Fields that are ignored without a warning.
    harmless: ClassVar[frozenset[str]] = frozenset()
    #: The same of fields that ask for nothing with this value.
    idle: ClassVar[Mapping[str, object]] = {}
    #: Objects in it whose ignored fields are named too.
    inside: ClassVar[Mapping[str, "type[RequestModel]"]] = {}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema: CoreSchema = stop_early(handler(source))
        return schema

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, data: Any) -> Any:
        """Clients in typed languages send every field that they know, as null."""
        if isinstance(data, dict) and None in data.values():
            return {name: value for name, value in data.items() if value is not None}
        return data
