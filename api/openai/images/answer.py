"""The answer of a request for images, and the events of its stream. The types only; `render.py` makes them."""

from typing import Literal, TypeAlias

from typing_extensions import TypeAliasType, TypedDict

Format: TypeAlias = Literal["png", "jpeg", "webp"]
Quality: TypeAlias = Literal["low", "medium", "high"]


class ImageTokens(TypedDict):
    text_tokens: int
    image_tokens: int


class ImageUsage(TypedDict):
    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: ImageTokens


class ImageSource(TypedDict, total=False):
    """The file in base64, or where it can be fetched; of a job there is always a `url`."""

    b64_json: str
    url: str
    revised_prompt: str


class Image(ImageSource):
    seed: int


class ImageLooks(TypedDict):
    """What all images of an answer have in common."""

    background: Literal["opaque"]
    output_format: Format
    quality: Quality
    size: str


class ImagesResponse(ImageLooks):
    created: int
    data: list[Image]
    usage: ImageUsage


class PartialImage(ImageLooks):
    """An image that is not finished."""

    type: Literal["image_generation.partial_image", "image_edit.partial_image"]
    b64_json: str
    created_at: int
    partial_image_index: int
    image_index: int


class CompletedImage(ImageLooks):
    """A finished image. The `usage` of all is in the last one."""

    type: Literal["image_generation.completed", "image_edit.completed"]
    b64_json: str
    created_at: int
    image_index: int
    seed: int
    url: str
    usage: ImageUsage


ImageEvent = TypeAliasType("ImageEvent", PartialImage | CompletedImage)
