"""Is a body what an SDK's own types say that it is? Unknown fields, which SDKs let pass, are faults here."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from pydantic import BaseModel, TypeAdapter

#: Fields beyond the SDK's types, by the name of the type: what servers send and these types forget.
Extras = Mapping[str, frozenset[str]]


def check_type(kind: Any, body: object, extras: Extras | None = None) -> None:
    """`body` is a value of this type, without conversions, and has no field that the type does not name."""
    value = TypeAdapter(kind).validate_json(orjson.dumps(body), strict=True)
    problems = list(_unknown(value, body, extras or {}, ""))
    assert not problems, problems


def _unknown(value: object, body: object, extras: Extras, place: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        assert isinstance(body, Mapping)
        kind = type(value)
        names = {field.alias or name: name for name, field in kind.model_fields.items()}
        for name, inner in body.items():
            if name in names:
                yield from _unknown(getattr(value, names[name]), inner, extras, f"{place}.{name}")
            elif name not in extras.get(kind.__name__, ()):
                yield f"{place}.{name} is not in {kind.__name__}"
    elif isinstance(value, Sequence) and isinstance(body, list):
        for number, (each, inner) in enumerate(zip(value, body, strict=True)):
            yield from _unknown(each, inner, extras, f"{place}[{number}]")
