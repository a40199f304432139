"""Requests to `/v1/images/generations`, `/v1/images/edits` and `/v1/images/variations`.

Input images are texts here. Those of forms are files, which are not part of these models.
"""

import re
from typing import Annotated, ClassVar, Literal, cast

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from api.http.bodies.fields import KeepAlive, Seed
from api.http.job_options.service_class import Ranked
from mlxq.media.formats import GRID, ImageFormat

Quality = Literal["low", "medium", "high", "auto", "standard", "hd"]

#: Characters, as in OpenAI's API.
_LONGEST_PROMPT = 32_000
_LONGEST_NAME = 1024
_MOST_LORAS = 8
_SIZE = re.compile(r"([0-9]{1,9})x([0-9]{1,9})")
_AUTO = "auto"
#: What OpenAI calls the same quality in answers.
_QUALITIES: dict[str, str] = {"low": "low", "high": "high", "hd": "high"}


def _prompt(value: str) -> str:
    if not value.strip():
        raise ValueError("it is empty")
    return value


def _size(value: str) -> str:
    if value == _AUTO:
        return value
    found = _SIZE.fullmatch(value)
    if found is None:
        raise ValueError("it must look like '1024x1024', or be 'auto'")
    if any(int(side) == 0 or int(side) % GRID for side in found.groups()):
        raise ValueError(f"both sides must be multiples of {GRID}, and more than 0")
    return value


def _background(value: object) -> object:
    """Forms have booleans as text."""
    if value == "transparent":
        raise PydanticCustomError(
            "not_supported", "'transparent' is not supported: the models here fill the whole picture"
        )
    value = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
    if value is None or isinstance(value, bool) or value in ("opaque", "auto"):
        return value
    raise ValueError("it must be true, false, 'opaque' or 'auto'")


class Lora(BaseModel):
    """A LoRA file under the model roots. A name alone means the scale 1."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    path: Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)]
    scale: Annotated[float, Field(ge=-4, le=4)] = 1.0


def _loras(value: object) -> object:
    """Forms have a list as JSON text."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise ValueError("it is not valid JSON") from None
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        return value
    return [{"path": each} if isinstance(each, str) else each for each in value]


class ImageRequest(Ranked):
    """Fields of all three. `guidance_scale` is mlx-openai-server's name, `num_inference_steps` that of diffusers."""

    harmless: ClassVar[frozenset[str]] = frozenset({"user", "moderation"})

    model: str | None = None
    n: Annotated[int, Field(ge=1, le=10)] | None = None
    size: Annotated[str, AfterValidator(_size)] | None = None
    quality: Quality | None = None
    #: OpenAI's field for the background of an image, and ours for a job in the background
    background: Annotated[
        bool | Literal["opaque", "auto"] | None,
        PlainValidator(_background, json_schema_input_type=bool | Literal["opaque", "auto"] | None),
    ] = None
    output_format: ImageFormat | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    response_format: Literal["b64_json", "url"] | None = None
    stream: bool | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = None
    seed: Seed | None = None
    steps: Annotated[int, Field(ge=1, le=100)] | None = None
    num_inference_steps: Annotated[int, Field(ge=1, le=100)] | None = None
    guidance: Annotated[float, Field(ge=0, le=30)] | None = None
    guidance_scale: Annotated[float, Field(ge=0, le=30)] | None = None
    negative_prompt: Annotated[str, Field(max_length=_LONGEST_PROMPT)] | None = None
    strength: Annotated[float, Field(ge=0, le=1)] | None = None
    loras: (
        Annotated[
            Annotated[list[Lora], Field(max_length=_MOST_LORAS)],
            BeforeValidator(_loras),
            WithJsonSchema({"type": "array", "maxItems": _MOST_LORAS, "items": Lora.model_json_schema()}),
        ]
        | None
    ) = None
    previews: bool | None = None
    metadata: bool | None = None
    on_disconnect: Literal["keep", "cancel"] | None = None
    keep_alive: KeepAlive | None = None

    @property
    def text(self) -> str:
        """The prompt; a variation needs none."""
        return cast("str | None", getattr(self, "prompt", None)) or ""

    @property
    def count(self) -> int:
        return self.n or 1

    @property
    def form(self) -> ImageFormat:
        return self.output_format or "png"

    @property
    def sides(self) -> tuple[int, int] | None:
        """Width and height; None: chosen by the server."""
        found = _SIZE.fullmatch(self.size or "")
        return (int(found[1]), int(found[2])) if found else None

    @property
    def told_quality(self) -> str:
        """The quality in answers."""
        return _QUALITIES.get(self.quality or "", "medium")

    def wanted_steps(self, usual: int) -> int | None:
        """Steps of an image, for a model with `usual` steps; None: the default of the model."""
        if self.steps or self.num_inference_steps:
            return self.steps or self.num_inference_steps
        match self.told_quality:
            case "low":
                return (usual + 1) // 2
            case "high":
                return usual + (usual + 1) // 2
            case _:
                return None

    @property
    def wanted_seed(self) -> int | None:
        """The seed in 32 bits; None, also for -1: a random one."""
        return None if self.seed is None or self.seed == -1 else self.seed % 2**32

    @property
    def wanted_guidance(self) -> float | None:
        return self.guidance if self.guidance is not None else self.guidance_scale


class GenerationRequest(ImageRequest):
    """`image` and `strength` are OminiX' fields: an image to start from."""

    prompt: Annotated[str, Field(max_length=_LONGEST_PROMPT), AfterValidator(_prompt)]
    image: str | list[str] | None = None


class EditRequest(ImageRequest):
    """The fields of a form; `image` and `mask` are files."""

    prompt: Annotated[str, Field(max_length=_LONGEST_PROMPT), AfterValidator(_prompt)]


class ImageReference(BaseModel):
    """An image in JSON, as in OpenAI's API."""

    model_config = ConfigDict(strict=True)

    image_url: Annotated[str, Field(min_length=1)]


class JsonEditRequest(EditRequest):
    """The same as JSON: `images` and `mask` as in OpenAI's API, or in base64."""

    images: list[ImageReference | str] | None = None
    image: str | list[str] | None = None
    mask: ImageReference | str | None = None


class VariationRequest(ImageRequest):
    """The fields of a form; `image` is a file. OpenAI's variations have no prompt."""

    prompt: Annotated[str, Field(max_length=_LONGEST_PROMPT)] | None = None


class JsonVariationRequest(VariationRequest):
    image: Annotated[str, Field(min_length=1)]
