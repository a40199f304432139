"""What a resource notes of a request for the answer to it: a small value that is kept with the job.

Only the renderer of the job's dialect and kind decodes it; the worker never sees it. A resource that needs more than
these fields has a struct of its own.
"""

from typing import TypeVar

import msgspec

M = TypeVar("M", bound="Meta")


class Meta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`model` is as the request named it; `created` is in Unix seconds."""

    model: str | None = None
    created: int = 0


NOTHING_NOTED = Meta()


class LoadMeta(Meta, frozen=True, kw_only=True):
    """Of a load or an unload: what it is answered with when it succeeds."""

    message: str
    model_type: str


class DownloadMeta(Meta, frozen=True, kw_only=True):
    """Of a download. `name` is what the model is called from then on, beside its id."""

    name: str | None = None


def encode_meta(meta: Meta) -> bytes:
    return msgspec.json.encode(meta)


def decode_meta(data: str | bytes, kind: type[M]) -> M:
    """Raises msgspec.MsgspecError for what another version noted."""
    return msgspec.json.decode(data or b"{}", type=kind)
