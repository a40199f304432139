"""The description of a resource for the application. Each folder's router module defines its `RESOURCE`.

This module knows no resource; only `api/app.py` imports them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter

from api.dispatch.batch_dialect import BatchDialect
from api.dispatch.prepared import Batched
from api.dispatch.renderers import Renderer
from api.http.routes.dialect import Dialect
from config.settings import Settings

#: Bytes that a body may have under these settings.
Limit = Callable[[Settings], int]


@dataclass(frozen=True, slots=True)
class Resource:
    """Errors of requests to its routes are written in `dialect`, answers of its jobs by its `renderers`.

    `batched`: paths whose requests may be lines of a batch. `batches`: how outcomes of its own batches are written.
    `large`: paths whose bodies hold files, and the bytes of files that such a body may have.
    """

    dialect: Dialect
    routers: tuple[APIRouter, ...]
    renderers: tuple[Renderer[Any, Any], ...] = ()
    batched: Mapping[str, Batched] = field(default_factory=dict)
    batches: BatchDialect | None = None
    large: Mapping[str, Limit] = field(default_factory=dict)
