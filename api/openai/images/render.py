"""OpenAI's ImagesResponse and image events, from what the worker made."""

import base64
from collections.abc import Callable
from typing import Any

from api.dispatch.artifacts import file_url
from jobs.events import Partial

#: Where the bytes of a file are, by its blob.
Read = Callable[[str], bytes]

_NOTHING = {"input_tokens": 0, "output_tokens": 0}


def images_response(
    job_id: str, meta: dict[str, Any], result: dict[str, Any], base: str, read: Read | None = None
) -> dict[str, Any]:
    """`read` puts the files themselves into the answer; who polls for a job fetches them."""
    return {
        "created": meta["created"],
        **_looks(meta),
        "data": [_image(job_id, meta, image, base, read) for image in result["images"]],
        "usage": usage(result["usage"]),
    }


def _image(
    job_id: str, meta: dict[str, Any], image: dict[str, Any], base: str, read: Read | None
) -> dict[str, Any]:
    wanted = meta["response_format"]
    said: dict[str, Any] = {}
    if read is not None and wanted != "url":
        said["b64_json"] = base64.b64encode(read(image["blob"])).decode()
    if read is None or wanted != "b64_json":
        said["url"] = file_url(base, job_id, image["artifact"])
    if meta["prompt"]:
        said["revised_prompt"] = meta["prompt"]
    return {**said, "seed": image["seed"]}


def partial_image(meta: dict[str, Any], event: Partial, data: bytes) -> dict[str, Any]:
    """A picture that is not done yet."""
    return {
        "type": f"{_stream(meta)}.partial_image",
        "b64_json": base64.b64encode(data).decode(),
        "created_at": meta["created"],
        **_looks(meta),
        "partial_image_index": event.number,
        "image_index": event.index,
    }


def completed_image(
    job_id: str, meta: dict[str, Any], result: dict[str, Any], index: int, base: str, read: Read
) -> dict[str, Any]:
    """A picture that is done; the last one tells what all of them took."""
    image = result["images"][index]
    return {
        "type": f"{_stream(meta)}.completed",
        "b64_json": base64.b64encode(read(image["blob"])).decode(),
        "created_at": meta["created"],
        **_looks(meta),
        "image_index": index,
        "seed": image["seed"],
        "url": file_url(base, job_id, image["artifact"]),
        "usage": usage(result["usage"] if index == len(result["images"]) - 1 else _NOTHING),
    }


def usage(counts: dict[str, Any]) -> dict[str, Any]:
    """As OpenAI counts."""
    taken, given = counts["input_tokens"], counts["output_tokens"]
    details = {"text_tokens": taken, "image_tokens": 0, **counts.get("input_tokens_details", {})}
    return {
        "input_tokens": taken,
        "output_tokens": given,
        "total_tokens": taken + given,
        "input_tokens_details": details,
    }


def _looks(meta: dict[str, Any]) -> dict[str, Any]:
    return {
        "background": "opaque",
        "output_format": meta["format"],
        "quality": meta["quality"],
        "size": meta["size"],
    }


def _stream(meta: dict[str, Any]) -> str:
    return "image_edit" if meta["mode"] == "edit" else "image_generation"
