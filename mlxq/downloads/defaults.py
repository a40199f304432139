"""At the start, queues a download and a load for each model that a setting names and that is not installed."""

import asyncio
import logging
import time

from config.settings import Settings
from jobs.client import JobClient
from jobs.errors import MlxqError
from jobs.gate import Ttl
from jobs.kinds import KINDS, Category, Kind
from jobs.meta import LoadMeta
from jobs.payloads import NoPayload
from jobs.request import NATIVE_DIALECT, Attach, JobRequest, new_job_id
from mlxq.catalog import Catalog, ModelRef, UnknownModel
from mlxq.downloads.request import download_request

log = logging.getLogger(__name__)

#: Seconds between two attempts to queue a download.
PAUSE = 2.0


async def fetch_defaults(settings: Settings) -> None:
    """Queue a download, and a load after it, for each such model."""
    missing = await asyncio.to_thread(_missing, settings)
    if not missing:
        return
    ttl = Ttl.of(settings)
    client = JobClient(settings.redis_address, queue_limit=settings.queue_limit, ttl=ttl)
    try:
        for category, ref in missing.items():
            log.info("%s_MODEL=%s is not installed: it is fetched", category.upper(), ref.base_id)
            await _queue(client, settings, category, ref)
    finally:
        await client.redis.aclose()


def _missing(settings: Settings) -> dict[Category, ModelRef]:
    catalog, missing = Catalog(settings), dict[Category, ModelRef]()
    for category in Category:
        try:
            ref = catalog.default(category)
        except UnknownModel:
            continue
        if ref.path is None:
            missing[category] = ref
    return missing


async def _queue(client: JobClient, settings: Settings, category: Category, ref: ModelRef) -> None:
    load = JobRequest(
        id=new_job_id(Kind.LOAD),
        queue=category,
        kind=Kind.LOAD,
        model=ref.id,
        payload=NoPayload(),
        timeout=KINDS[Kind.LOAD].timeout(settings),
        app="mlxq",
        fingerprint=f"default:{category}:{ref.id}",
        attach=Attach.LIVING,
        needs=download_request(settings, ref.base_id, app="mlxq"),
        dialect=NATIVE_DIALECT,
        meta=LoadMeta(
            model=ref.id,
            model_type=category.value,
            message=f"Model '{ref.id}' loaded successfully",
            created=int(time.time()),
        ),
    )
    while True:
        try:
            await client.enqueue(load)
            return
        except MlxqError as error:
            log.warning("%s", error.message)
            await asyncio.sleep(PAUSE)
