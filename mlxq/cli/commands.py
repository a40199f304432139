"""What each verb does and shows."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from config.settings import Settings
from mlxq.catalog.local import LocalModels
from mlxq.catalog.size import model_size
from mlxq.catalog.stored_prompts import forget_all_prompts
from mlxq.cli.server import DownloadEvent, Fetched, Problem, Server, Unreachable, model_path
from mlxq.cli.table import show, tell

#: What a job ends with.
_ENDS = ("completed", "failed", "cancelled", "expired")


def pull(server: Server, model: str, name: str | None) -> None:
    """Fetch a model and show how far it is. Ctrl-C leaves the download to the server."""
    body = {"model_id": model, "background": True, **({"name": name} if name else {})}
    answer = server.ask("POST", "/v1/models/install", body)
    if answer.get("status") == "already_installed":
        tell(answer["message"])
        return
    result: Fetched | None = None
    try:
        with _bar(Console()) as bar:
            # A download that ends at once, as of a model that does not exist, shows no bar.
            task = bar.add_task(escape(model), total=None, visible=False)
            for kind, data in server.events(answer["id"]):
                if kind == "progress":
                    bar.update(task, completed=data["done"], total=data["total"], visible=True)
                elif kind in _ENDS:
                    _check(kind, data)
                    result = data["result"]
    except KeyboardInterrupt:
        tell(f"The download goes on; {server.url}/v1/jobs/{answer['id']} shows it.")
        raise
    assert result is not None
    fetched, total = _size(result["fetched_bytes"]), _size(result["bytes"])
    tell(f"{result['message']} ({fetched} of {total} fetched)")


def remove(server: Server, model: str, *, keep_files: bool) -> None:
    answer = server.ask("DELETE", model_path(model), remove_files=str(not keep_files).lower())
    tell(answer["message"])


def list_models(server: Server, settings: Settings) -> None:
    """What is installed, as the server says it; without one, as it lies on the disk."""
    try:
        answer = server.ask("GET", "/v1/models")
        models = [
            (row["id"], row["type"], _known(row["size_bytes"]), row["status"]) for row in answer["data"]
        ]
    except Unreachable:
        known = LocalModels(settings)
        fetched = known.records.read().models
        models = [
            (model.id, model.category, _size(model_size(model.path).disk_bytes), "not running")
            for model in known.installed()
            if not model.cached or model.id in fetched
        ]
    show(("MODEL", "TYPE", "SIZE", "STATUS"), models)


def processes(server: Server) -> None:
    """What is in memory, and what is being fetched."""
    loaded = server.ask("GET", "/v1/models", loaded="true")
    rows = [(row["id"], row["type"], _known(row["memory_bytes"]), row["status"]) for row in loaded["data"]]
    jobs = server.ask("GET", "/v1/jobs", queue="download", status="in_progress")
    for job in jobs["data"]:
        progress = job["progress"] or {"done": 0, "total": 0}
        done = f"{100 * progress['done'] // progress['total']}%" if progress["total"] else "0%"
        rows.append((job["model"], "download", _size(progress["total"]), f"downloading {done}"))
    show(("MODEL", "TYPE", "SIZE", "STATUS"), rows)


def clear_cache(settings: Settings) -> None:
    """Delete the prompts that are stored on the disk. Those in memory stay until their model is unloaded."""
    deleted = forget_all_prompts(settings.data_dir)
    tell(f"{_size(deleted)} of prompts are deleted.")


def convert(
    gpt: Path, sovits: Path, hubert: Path, bert: Path, dictionary: Path | None, *, target: Path
) -> None:
    """Make a model of the files of GPT-SoVITS."""
    # numpy takes a while to load.
    from mlxq.cli.convert import Sources
    from mlxq.cli.convert import convert as make

    make(Sources(gpt, sovits, hubert, bert, dictionary), target)
    tell(f"{target} is ready. Its model is called {target.name}.")


def _check(kind: str, data: DownloadEvent) -> None:
    """Raises Problem unless the job completed."""
    if kind == "failed":
        raise Problem(data["error"]["message"])
    if kind != "completed":
        raise Problem("the download was cancelled; what came is kept")


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _known(size: int | None) -> str:
    return "" if size is None else _size(size)


def _size(number: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= scale:
            return f"{number / scale:.1f} {unit}"
    return f"{number} B"
