"""What may be wrong with a server, and the command that mends it. It asks, and changes nothing."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

from api.http.callers.caller import accepted_keys, address_of
from api.http.context import Context
from api.native.checks.schema import Check
from config.settings import Settings
from jobs.client import JobClient
from jobs.errors import MlxqError
from jobs.kinds import Category
from mlxq.catalog import UnknownModel
from mlxq.catalog.usual import SHIPPED_NAMES, Advice

#: Free bytes of a disk below which it is told of.
_LITTLE = 5 * 1000**3
_ORDER = {"error": 0, "warning": 1, "ok": 2}
_GIGA = 1000**3


async def find(context: Context, jobs: JobClient) -> list[Check]:
    """Every check, the worst first."""
    found = [check async for check in _all(context, jobs)]
    return sorted(found, key=lambda check: _ORDER[check["state"]])


async def _all(context: Context, jobs: JobClient) -> AsyncIterator[Check]:
    settings = context.settings
    try:
        yield await _redis(jobs)
        for check in await _workers(jobs):
            yield check
        yield await _pauses(jobs)
        yield await _chat_model(context, jobs)
    except MlxqError as error:
        yield _check("Redis", "error", error.message, "mlxq serve")
    for check in await asyncio.to_thread(_disks, settings):
        yield check
    yield _hub(context)
    yield _network(settings)


async def _redis(jobs: JobClient) -> Check:
    if denied := await jobs.denied():
        return _check("Redis", "error", denied)
    if await jobs.memory_short():
        return _check(
            "Redis",
            "warning",
            "Redis' memory is short: results of ended jobs are deleted before their time.",
            "REDIS_MAXMEMORY_MB=4096 mlxq serve",
        )
    return _check("Redis", "ok", "Redis answers.")


async def _workers(jobs: JobClient) -> list[Check]:
    workers = await jobs.workers()
    if not workers:
        return [_check("Worker", "error", "No worker runs: jobs wait until one does.", "mlxq serve")]
    troubles = list(dict.fromkeys(text for each in workers for text in each.trouble))
    if troubles:
        return [_check("Worker", "warning", text) for text in troubles]
    names = ", ".join(f"{each.host} ({each.pid})" for each in workers)
    return [_check("Worker", "ok", f"Running: {names}.")]


async def _pauses(jobs: JobClient) -> Check:
    if paused := sorted(await jobs.paused()):
        return _check("Queue", "warning", f"Paused: {', '.join(map(_part, paused))}.", "mlxq resume")
    return _check("Queue", "ok", "Nothing is paused.")


def _part(paused: str) -> str:
    """A queue, or a class of it such as `llm:normal`, in words."""
    queue, _, its_class = paused.partition(":")
    return f"{its_class} jobs of {queue}" if its_class else queue


async def _chat_model(context: Context, jobs: JobClient) -> Check:
    """The model that answers chats which name none."""
    catalog = await context.models.catalog(jobs)
    try:
        ref = await asyncio.to_thread(catalog.default, Category.LLM)
    except UnknownModel as error:
        return _check("Chat model", "error", str(error), _pull(context.settings))
    if ref.id.rpartition("/")[2] == SHIPPED_NAMES[Category.LLM]:
        text = "Chats are answered by a toy that comes along, unless they name another model."
        return _check("Chat model", "warning", text, _pull(context.settings))
    return _check("Chat model", "ok", f"Chats that name no model are answered by {ref.id}.")


def _pull(settings: Settings) -> str:
    return f"mlxq pull {Advice(settings).recommended(Category.LLM).model}"


def _disks(settings: Settings) -> list[Check]:
    places: dict[int, tuple[str, int]] = {}
    for name, folder in (("data", settings.data_dir), ("models", settings.hub_cache)):
        there = _existing(folder)
        free = shutil.disk_usage(there).free
        device = os.stat(there).st_dev
        places[device] = (f"{places[device][0]} and {name}" if device in places else name, free)
    return [_disk(name, free) for name, free in places.values()]


def _disk(name: str, free: int) -> Check:
    text = f"{free / _GIGA:.1f} GB are free for {name}."
    if free >= _LITTLE:
        return _check("Disk", "ok", text)
    return _check("Disk", "warning", f"{text} `mlxq rm MODEL` deletes a model.", "mlxq list")


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


def _hub(context: Context) -> Check:
    if context.settings.hf_hub_offline:
        return _check("Hub", "ok", "Models are not downloaded: HF_HUB_OFFLINE is set.")
    if (lost := context.reach.lost) is not None:
        return _check("Hub", "warning", lost.message)
    return _check("Hub", "ok", "Models can be downloaded.")


def _network(settings: Settings) -> Check:
    address = address_of(settings.host)
    here = settings.host == "localhost" or (address is not None and address.is_loopback)
    if here:
        return _check("Network", "ok", "Only programs of this machine reach the server.")
    if accepted_keys(settings):
        return _check("Network", "ok", "Other machines reach the server, with a key.")
    text = "Other machines reach the server and need no key: all of them may use the installed models."
    return _check("Network", "warning", text, "API_KEYS=… mlxq serve")


def _check(
    name: str, state: Literal["ok", "warning", "error"], text: str, command: str | None = None
) -> Check:
    return {"name": name, "state": state, "text": text, "command": command}
