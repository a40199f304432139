"""The OpenAPI description. Routes parse and write their bodies themselves, and declare the types here.

A route's `openapi_extra` is an `Operation`. Its types become schemas when the description is asked for, not at the
start. This module knows how OpenAPI describes bodies; it does not know any resource.
"""

from collections.abc import Mapping
from typing import Any, cast

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from api.http.bodies.fields import RequestModel
from api.http.routes.addresses import Addresses
from api.http.routes.dialect import Named
from config.values import JsonObject

#: Where the description keeps a body.
REFERENCE = "#/components/schemas/{model}"
_JSON, _EVENTS, _LINES = "application/json", "text/event-stream", "application/x-ndjson"


class Operation(dict[str, object]):
    """What a route adds to its operation. Several are put together by `|`.

    `taken` and `given` are the types that it refers to. `choices` are pairs: a component, and a type that it may be.
    """

    def __init__(
        self,
        parts: JsonObject,
        taken: tuple[Named, ...] = (),
        given: tuple[Named, ...] = (),
        choices: tuple[tuple[str, Named], ...] = (),
    ) -> None:
        super().__init__(parts)
        self.taken = taken
        self.given = given
        self.choices = choices

    def __or__(self, other: "Operation") -> "Operation":  # type: ignore[override]  # of operations only
        merged = _merged(self, other)
        return Operation(
            merged,
            (*self.taken, *other.taken),
            (*self.given, *other.given),
            (*self.choices, *other.choices),
        )


def _merged(one: JsonObject, other: JsonObject) -> dict[str, object]:
    both = {**one, **other}
    for key in one.keys() & other.keys():
        mine, others = one[key], other[key]
        if isinstance(mine, Mapping) and isinstance(others, Mapping):
            both[key] = _merged(mine, others)
    return both


def _schema(model: Named) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def takes(model: type[RequestModel]) -> Operation:
    """The JSON body that a route takes."""
    content = {_JSON: {"schema": _schema(model)}}
    return Operation({"requestBody": {"required": True, "content": content}}, taken=(model,))


def takes_files(
    form: type[RequestModel],
    body: type[RequestModel],
    files: JsonObject,
    required: tuple[str, ...],
) -> Operation:
    """The same of a route that takes a form with these files beside its fields, or JSON."""
    return takes_form(form, files, required) | takes(body)


def takes_form(form: type[RequestModel], files: JsonObject, required: tuple[str, ...]) -> Operation:
    """The same of a route that takes a form with these files beside its fields."""
    fields = {"type": "object", "required": list(required), "properties": files}
    content = {"multipart/form-data": {"schema": {"allOf": [_schema(form), fields]}}}
    return Operation({"requestBody": {"required": True, "content": content}}, taken=(form,))


def gives(model: Named, status: int = 200, description: str = "Successful response") -> Operation:
    """The JSON body of a response."""
    return _response(status, description, {_JSON: {"schema": _schema(model)}}, (model,))


def streams(event: Named, description: str = "Successful response") -> Operation:
    """A stream of server-sent events. The schema is of the JSON in an event's `data`, or of an error."""
    return _response(200, description, {_EVENTS: {"schema": {"anyOf": [_schema(event)]}}}, (event,))


def streams_lines(event: Named) -> Operation:
    """A stream of JSON, an object in each line: one of these, or an error."""
    content = {_LINES: {"schema": {"anyOf": [_schema(event)]}}}
    return _response(200, "Successful response", content, (event,))


def gives_text(*content_types: str) -> Operation:
    """A response that is text."""
    return _response(
        200, "Successful response", {each: {"schema": {"type": "string"}} for each in content_types}
    )


def gives_bytes(*content_types: str, status: int = 200) -> Operation:
    """A response that is a file, or with 206 a part of one."""
    file = {"schema": {"type": "string", "format": "binary"}}
    return _response(status, "Successful response", dict.fromkeys(content_types, file))


def one_of(component: Named, *models: Named) -> Operation:
    """What a component may be: it is any of those that routes name."""
    return Operation({}, given=models, choices=tuple((component.__name__, model) for model in models))


def gives_nothing(description: str, status: int = 204) -> Operation:
    """A response without a body."""
    return Operation({"responses": {str(status): {"description": description}}})


def _response(status: int, description: str, content: JsonObject, given: tuple[Named, ...] = ()) -> Operation:
    return Operation(
        {"responses": {str(status): {"description": description, "content": content}}}, given=given
    )


class Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """FastAPI's description with the bodies that routes name, and errors. Made on first use."""
        if self.openapi_schema is None:
            description = super().openapi()
            components = description.setdefault("components", {}).setdefault("schemas", {})
            addresses: Addresses = self.state.addresses
            errors = [gives(dialect.error_type) for dialect in addresses.dialects]
            declared = self._operations()
            components.update(_schemas([*errors, *declared]))
            for name, models in _choices(declared).items():
                components[name] = {"anyOf": [_schema(model) for model in models]}
            for unused in ("HTTPValidationError", "ValidationError"):
                components.pop(unused, None)
            for path, operations in description["paths"].items():
                for method, operation in operations.items():
                    error = addresses.dialect(path, method.upper()).error_type
                    operation["responses"].pop("422", None)
                    operation["responses"].setdefault("default", _error_response(error))
                    for answer in operation["responses"].values():
                        for kind in (_EVENTS, _LINES):
                            if stream := answer.get("content", {}).get(kind):
                                stream["schema"]["anyOf"].append(_schema(error))
            self._add_shared(description["paths"], addresses)
        assert self.openapi_schema is not None
        return self.openapi_schema

    def _add_shared(self, paths: dict[str, Any], addresses: Addresses) -> None:
        """Describe what a route answers that has its address together with another one, the described one."""
        for context in iter_route_contexts(self.routes):
            extra = getattr(context, "openapi_extra", None)
            if not isinstance(extra, Operation) or getattr(context, "include_in_schema", True):
                continue
            path = getattr(context, "path_format", "")
            for method in context.methods or ():
                answers = paths[path][method.lower()]["responses"]
                marks = [dialect.mark for dialect in addresses.dialects if dialect.mark]
                error = addresses.dialect(path, method, marks).error_type
                more = {**cast(dict[str, Any], extra["responses"]), "default": _error_response(error)}
                for status, answer in more.items():
                    for kind, other in answer["content"].items():
                        shown = answers[status]["content"][kind]
                        if shown["schema"] != other["schema"]:
                            shown["schema"] = {"anyOf": [shown["schema"], other["schema"]]}

    def _operations(self) -> list[Operation]:
        extras = (getattr(context, "openapi_extra", None) for context in iter_route_contexts(self.routes))
        return [extra for extra in extras if isinstance(extra, Operation)]


def _error_response(error: Named) -> dict[str, object]:
    return {"description": "An error", "content": {_JSON: {"schema": _schema(error)}}}


def _choices(operations: list[Operation]) -> dict[str, list[Named]]:
    found: dict[str, list[Named]] = {}
    for name, model in dict.fromkeys(choice for each in operations for choice in each.choices):
        found.setdefault(name, []).append(model)
    return found


def _schemas(operations: list[Operation]) -> JsonObject:
    """The schemas of all bodies, by their names."""
    taken = {model.__name__: model for each in operations for model in each.taken}
    given = {model.__name__: model for each in operations for model in each.given}
    wanted: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = [
        *((name, "validation", TypeAdapter(cast(Any, model))) for name, model in taken.items()),
        *((name, "serialization", TypeAdapter(cast(Any, model))) for name, model in given.items()),
    ]
    by_name, schemas = TypeAdapter.json_schemas(wanted, ref_template=REFERENCE)
    found: dict[str, object] = schemas["$defs"]
    # A type without a definition of its own is described where it is used.
    return {name: schema for (name, _), schema in by_name.items()} | found
