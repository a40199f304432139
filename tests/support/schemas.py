"""Schemas as authors' libraries write them, with keywords that restrict nothing: all of them can be enforced."""

from typing import Any

_OBJECT: dict[str, Any] = {"type": "object", "additionalProperties": False}
_DRAFT_7 = "http://json-schema.org/draft-07/schema#"
_DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema"


def one(schema: Any, **more: Any) -> dict[str, Any]:
    """An object whose only member has this schema."""
    return {**_OBJECT, "properties": {"it": schema}, "required": ["it"], **more}


TAKEN: dict[str, dict[str, Any]] = {
    # zod 3 and 4
    "zod object": one({"type": "string", "minLength": 1, "description": "A name"}, **{"$schema": _DRAFT_7}),
    "zod record": {
        "$schema": _DRAFT_2020,
        "type": "object",
        "propertyNames": {"type": "string"},
        "additionalProperties": {"type": "number"},
    },
    "zod record of an enum": {
        "type": "object",
        "propertyNames": {"type": "string", "enum": ["a", "b"]},
        "additionalProperties": {"type": "boolean"},
        "required": ["a", "b"],
    },
    "zod union with a discriminator": {
        **one(
            {
                "oneOf": [
                    {
                        **_OBJECT,
                        "properties": {"kind": {"const": "a"}, "n": {"type": "number"}},
                        "required": ["kind", "n"],
                    },
                    {**_OBJECT, "properties": {"kind": {"const": "b"}}, "required": ["kind"]},
                ]
            }
        )
    },
    "zod safe integer": one({"type": "integer", "minimum": -9007199254740991, "maximum": 9007199254740991}),
    "zod nullable and optional": {
        **_OBJECT,
        "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
    },
    "zod tuple": one(
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}], "items": False}
    ),
    "zod tuple of draft 7": {
        **one(
            {
                "type": "array",
                "items": [{"type": "boolean"}, {"const": 3}],
                "additionalItems": False,
                "minItems": 2,
            }
        ),
        "$schema": _DRAFT_7,
    },
    "zod formats": one({"type": "string", "format": "email", "pattern": r"^[^@\s]{1,8}@[^@\s]{1,8}\.com$"}),
    # pydantic
    "pydantic decimal": one(
        {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"}]}
    ),
    "pydantic decimal as text": one({"type": "string", "pattern": r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"}),
    "pydantic decimal with digits": one(
        {
            "type": "string",
            "pattern": r"^(?!^[-+.]*$)[+-]?0*(?:\d{0,6}|(?=[\d.]{1,9}0*$)\d{0,6}\.\d{0,2}0*$)",
        }
    ),
    "pydantic discriminated union": {
        "$defs": {
            "Cat": {
                "type": "object",
                "properties": {"pet": {"const": "cat", "title": "Pet"}},
                "required": ["pet"],
            },
            "Dog": {
                "type": "object",
                "properties": {
                    "pet": {"const": "dog"},
                    "puppies": {"type": "array", "items": {"$ref": "#/$defs/Dog"}},
                },
                "required": ["pet"],
            },
        },
        **one(
            {
                "discriminator": {
                    "mapping": {"cat": "#/$defs/Cat", "dog": "#/$defs/Dog"},
                    "propertyName": "pet",
                },
                "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}],
            }
        ),
    },
    "pydantic recursive": {
        "$defs": {
            "Node": {
                "properties": {
                    "value": {"title": "Value", "type": "integer"},
                    "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}], "default": None},
                },
                "required": ["value"],
                "title": "Node",
                "type": "object",
            }
        },
        "$ref": "#/$defs/Node",
    },
    "zod and OpenAPI recursive": {
        "$defs": {
            "Node": {
                **_OBJECT,
                "properties": {"next": {"oneOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
                "required": ["next"],
            }
        },
        **one({"oneOf": [{"$ref": "#/$defs/Node"}]}),
    },
    "pydantic expressions": {
        "$defs": {
            "Leaf": {
                **_OBJECT,
                "properties": {"kind": {"const": "leaf"}, "value": {"type": "integer"}},
                "required": ["kind", "value"],
            },
            "Sum": {
                **_OBJECT,
                "properties": {
                    "kind": {"const": "sum"},
                    "of": {
                        "type": "array",
                        "items": {"oneOf": [{"$ref": "#/$defs/Leaf"}, {"$ref": "#/$defs/Sum"}]},
                    },
                },
                "required": ["kind", "of"],
            },
        },
        **one({"oneOf": [{"$ref": "#/$defs/Leaf"}, {"$ref": "#/$defs/Sum"}]}),
    },
    "cases of other types": one(
        {"oneOf": [{"type": ["integer", "null"]}, {"type": "boolean"}, {"const": "x"}]}
    ),
    "pydantic formats": one({"type": "string", "format": "path", "writeOnly": True}),
    "pydantic bytes": one(
        {"type": "string", "format": "binary", "contentEncoding": "base64", "maxLength": 8}
    ),
    "pydantic constraints": one({"type": "number", "exclusiveMinimum": 0, "maximum": 10, "multipleOf": 0.25}),
    # agents in TypeScript, OpenAPI
    "lists of types": one({"type": ["string", "integer", "null"]}),
    "no members": {"type": "object", "properties": {}},
    "nothing required": {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": []},
    "nulls for nothing": {
        "type": "object",
        "properties": {"a": {"type": "string", "enum": None, "minLength": None, "pattern": None}},
        "required": None,
        "items": None,
        "additionalProperties": {},
    },
    "constants": one(
        {"anyOf": [{"const": None}, {"const": 1.5}, {"const": ["a", 1]}, {"const": {"x": True}}]}
    ),
    "openapi": one(
        {"type": "integer", "format": "int32", "nullable": True, "example": 4, "deprecated": True}
    ),
    "int64": one({"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1}),
    "doubles": one({"type": "number", "minimum": -1.7976931348623157e308, "maximum": 1.7976931348623157e308}),
    "hours in seconds": one({"type": "integer", "minimum": 0, "exclusiveMaximum": 86400, "multipleOf": 3600}),
    "switched off": one(
        {"type": "array", "items": {"type": "boolean"}, "uniqueItems": False, "minItems": 0, "maxItems": 3}
    ),
    "unique where it can't be otherwise": one(
        {"type": "array", "items": {"const": 1}, "uniqueItems": True, "maxItems": 1}
    ),
    "nothing unevaluated": {
        "type": "object",
        "properties": {"a": {"type": "boolean"}},
        "required": ["a"],
        "unevaluatedProperties": False,
    },
    "a schema of somebody's own": {
        "$schema": "https://example.com/schema.json",
        "$id": "thing",
        **one({"type": "boolean"}),
    },
    "references with neighbours": {
        "$defs": {"n": {"type": "integer"}},
        **one({"$ref": "#/$defs/n", "description": "How many", "default": 3, "minimum": 2, "maximum": 5}),
    },
    "conditions without consequence": one({"type": "boolean", "if": {"const": True}}),
    # patterns
    "not blank": one({"type": "string", "pattern": r"^(?!\s*$).+", "maxLength": 5}),
    "without a character": one({"type": "string", "pattern": r"^(?!.*[<>])\w*$", "maxLength": 5}),
    "without two characters": one({"type": "string", "pattern": r"^(?!.*--)[a-]{4}$"}),
    "without a digit at first": one({"type": "string", "pattern": r"^(?!\d)\w{1,4}$"}),
    "zod email": one(
        {
            "type": "string",
            "format": "email",
            "pattern": r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+"
            r"[A-Za-z]{2,}$",
            "maxLength": 20,
        }
    ),
    "zod time": one(
        {
            "type": "string",
            "format": "time",
            "pattern": r"^(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?$",
            "maxLength": 8,
        }
    ),
    "without a prefix": one({"type": "string", "pattern": r"^(?!no)[a-z]{1,4}$"}),
    "with a look at its beginning": one({"type": "string", "pattern": r"^(?=ab)\w{3}$"}),
}
#: Parameters of a tool of which not all is enforced, and the keywords that are not.
LOOSENED: list[tuple[dict[str, Any], str]] = [
    (one({"type": "array", "uniqueItems": True}), "uniqueItems"),
    (one({"not": {"type": "string"}}), "not"),
    ({"type": "object", "if": {"required": ["a"]}, "then": {"required": ["b"]}}, "if, then"),
    (one({"oneOf": [{"type": "number"}, {"type": "integer"}]}), "oneOf"),
    (one({"type": "string", "pattern": r"\bword\b"}), "pattern"),
    (one({"type": "string", "pattern": r"^(a)\1$"}), "pattern"),
    (one({"type": "string", "pattern": r"a(?!b)"}), "pattern"),
    (one({"type": "integer", "multipleOf": 299993}), "multipleOf"),
    (one({"type": "string", "pattern": "^(a{1000}){1000}$"}), "pattern"),
    (one({"type": "banana"}), "all of it"),
]
