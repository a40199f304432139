"""`generate_image` and `edit_image`: the jobs of `/v1/images/generations` and `/v1/images/edits`."""

from api.http.bodies.body import Body, validate
from api.http.context import context_of
from api.mcp.arguments import string, strings
from api.mcp.call import ToolCall
from api.mcp.content import Content
from api.mcp.sources import image_source
from api.openai.images.job import image_job, keeps
from api.openai.images.schema import EditRequest, GenerationRequest, ImageRequest
from api.openai.images.upload import ImageUpload, Sent
from jobs.payloads import Mode

MOST_IMAGES = 16
#: Arguments that are no fields of the routes' bodies: files, and how the answer is wanted.
_OTHER = ("image", "mask", "background")


async def generate_image(call: ToolCall) -> list[Content]:
    return await _made(call, GenerationRequest, "generate", [], None)


async def edit_image(call: ToolCall) -> list[Content]:
    images = strings(call.arguments, "image", MOST_IMAGES)
    places = ["image"] if len(images) == 1 else [f"image[{place}]" for place in range(len(images))]
    sent = [await _sent(call, each, place) for each, place in zip(images, places, strict=True)]
    mask = string(call.arguments, "mask")
    return await _made(call, EditRequest, "edit", sent, await _sent(call, mask, "mask") if mask else None)


async def _made(
    call: ToolCall, model: type[ImageRequest], mode: Mode, images: list[Sent], mask: Sent | None
) -> list[Content]:
    fields = {name: value for name, value in call.arguments.items() if name not in _OTHER}
    # Nobody sees previews.
    wanted = validate(model, {**fields, "previews": False})
    upload = ImageUpload(Body(b"", wanted), images, mask, None)
    job, warnings = await image_job(call.request, upload, mode, call.preference)
    return await call.run(job, warnings, keep=keeps(context_of(call.request), wanted))


async def _sent(call: ToolCall, text: str, place: str) -> Sent:
    return Sent(await image_source(call.request, text, place), place)
