"""The arguments of tools: what is said of them, and which are taken. The routes' own models check their values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from config.values import JsonObject
from jobs.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Arguments:
    """JSON schemas by name; each has a description."""

    schemas: Mapping[str, JsonObject] = field(default_factory=dict)
    required: tuple[str, ...] = ()

    @property
    def schema(self) -> dict[str, object]:
        """The schema of all."""
        return {
            "type": "object",
            "properties": dict(self.schemas),
            "required": list(self.required),
            "additionalProperties": False,
        }

    def check(self, given: JsonObject) -> None:
        """Raises InvalidRequest for an argument that is missing or not known, which a model can mend."""
        for name in self.required:
            if given.get(name) is None:
                raise InvalidRequest(
                    f"Missing required argument: '{name}'.", param=name, code="missing_required_parameter"
                )
        unknown = sorted(given.keys() - self.schemas.keys())
        if unknown:
            known = ", ".join(self.schemas) or "none"
            raise InvalidRequest(
                f"Unknown argument: '{unknown[0][:64]}'. Known are: {known}.", param=unknown[0][:64]
            )


def text(description: str, **more: object) -> JsonObject:
    return {"type": "string", "description": description, **more}


def whole(description: str, low: int, high: int) -> JsonObject:
    return {"type": "integer", "minimum": low, "maximum": high, "description": description}


def number(description: str, low: float, high: float) -> JsonObject:
    return {"type": "number", "minimum": low, "maximum": high, "description": description}


def switch(description: str) -> JsonObject:
    return {"type": "boolean", "description": description}


def texts(description: str, most: int) -> JsonObject:
    """One text or several."""
    one = {"type": "string"}
    several = {"type": "array", "items": one, "minItems": 1, "maxItems": most}
    return {"anyOf": [one, several], "description": description}


def string(given: JsonObject, name: str, default: str = "") -> str:
    """Raises InvalidRequest."""
    value = given.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise InvalidRequest(f"Invalid '{name}': it must be a text.", param=name, code="invalid_value")
    return value


def strings(given: JsonObject, name: str, most: int) -> list[str]:
    """One text or several as a list. Raises InvalidRequest."""
    value = given.get(name)
    items = value if isinstance(value, list) else [] if value is None else [value]
    found = [each for each in items if isinstance(each, str) and each]
    if len(found) > most or len(found) < len(items):
        raise InvalidRequest(
            f"Invalid '{name}': it must be a text, or up to {most} of them.", param=name, code="invalid_value"
        )
    return found
