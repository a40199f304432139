"""Downloads one model: from its name to an installed model. It knows hubs and the disk; it does not know jobs."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import PurePosixPath
from typing import Any

import httpx

from config.settings import Settings
from jobs.errors import InvalidRequest
from jobs.events import ProgressState
from jobs.results import DownloadResult
from mlxq.catalog.model_json import UnfitFolder, is_read, read_json
from mlxq.catalog.records import InstallFacts, Records
from mlxq.downloads.choice import wanted
from mlxq.downloads.fetch import TIMEOUT, TRIES, Refused, fetch, pause
from mlxq.downloads.huggingface import HuggingFace
from mlxq.downloads.meter import Meter
from mlxq.downloads.modelscope import ModelScope
from mlxq.downloads.sources import HubTrouble, Listing, RemoteFile, Source, checked, refusal, unreachable
from mlxq.downloads.store import Store

#: Files of one model that are downloaded at the same time, and seconds between two reports.
AT_ONCE, REPORT = 4, 0.5

Report = Callable[[ProgressState], Awaitable[None]]

_SOURCES: dict[str, type[HuggingFace] | type[ModelScope]] = {
    "huggingface": HuggingFace,
    "modelscope": ModelScope,
}
_TOKENS = {"huggingface": "HF_TOKEN", "modelscope": "MODELSCOPE_API_TOKEN"}


async def download(settings: Settings, repo_id: str, source_name: str, report: Report) -> DownloadResult:
    """Install the model and return the job's result. Raises MlxqError.

    A cancelled download keeps the bytes it has: the next one continues there.
    """
    source: Source = _SOURCES[source_name](settings)
    try:
        listing = checked(await _listing(source, repo_id), repo_id)
        files = wanted(repo_id, listing.files)
        store = Store(settings.hub_cache, repo_id)
        meter = await _fetch_all(source, repo_id, files, store, report)
    except HubTrouble as trouble:
        raise unreachable(repo_id, trouble.reason) from None
    except Refused as refused:
        raise refusal(repo_id, refused.status, _TOKENS[source_name]) from None
    await asyncio.to_thread(store.publish, listing, files)
    facts = InstallFacts(source=source_name, revision=listing.commit, installed_at=int(time.time()))
    await asyncio.to_thread(Records(settings.data_dir).change, lambda known: known.installed(repo_id, facts))
    return DownloadResult(
        status="installed",
        model=repo_id,
        source=source_name,
        revision=listing.commit,
        files_count=len(files),
        bytes=meter.total,
        fetched_bytes=meter.fetched,
        resumed_bytes=meter.resumed,
    )


async def _listing(source: Source, repo_id: str) -> Listing:
    failures = 0
    while True:
        try:
            return await source.listing(repo_id)
        except HubTrouble as trouble:
            failures += 1
            if failures >= TRIES:
                raise
            await pause(failures, trouble)


async def _fetch_all(
    source: Source, repo_id: str, files: list[RemoteFile], store: Store, report: Report
) -> Meter:
    # Files with the same content are one blob.
    blobs = list({file.blob: file for file in files}.values())
    meter = await asyncio.to_thread(_prepare, store, blobs)
    room = asyncio.Semaphore(AT_ONCE)
    headers = source.headers

    async def one(file: RemoteFile) -> None:
        async with room:
            await fetch(client, headers, file, store, meter)

    async with httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=True) as client:
        reporter = asyncio.create_task(_report_on(meter, report))
        try:
            # The JSON files come first: a model that can't be used is refused before its weights are downloaded.
            described = {file.blob for file in files if is_read(PurePosixPath(file.path))}
            await _all(one, [file for file in blobs if file.blob in described])
            await asyncio.to_thread(_refuse_unfit, repo_id, store, files)
            await _all(one, [file for file in blobs if file.blob not in described])
        finally:
            reporter.cancel()
    await report(meter.state())
    return meter


async def _all(one: Callable[[RemoteFile], Coroutine[Any, Any, None]], files: list[RemoteFile]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for file in files:
                group.create_task(one(file))
    except BaseExceptionGroup as failures:
        raise _first(failures) from None


def _refuse_unfit(repo_id: str, store: Store, files: list[RemoteFile]) -> None:
    """Raises InvalidRequest for a model whose JSON files can't be used. Its blobs stay, but it is not installed."""
    for file in files:
        if is_read(PurePosixPath(file.path)):
            try:
                read_json(file.path, store.blob(file))
            except UnfitFolder as error:
                raise InvalidRequest(
                    f"The model '{repo_id}' is not installed: it {error}.",
                    param="model",
                    code="unsupported_model",
                ) from None


def _prepare(store: Store, blobs: list[RemoteFile]) -> Meter:
    store.prepare()
    total, held = sum(file.size for file in blobs), sum(map(store.held, blobs))
    store.check_space(total - held)
    return Meter(total, held, len(blobs))


async def _report_on(meter: Meter, report: Report) -> None:
    told: tuple[int, int] | None = None
    while True:
        now = (meter.done, meter.files_done)
        if now != told:
            told = now
            await report(meter.state())
        await asyncio.sleep(REPORT)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
