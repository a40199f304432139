"""What the server has told of jobs, queues and workers, as rows. It knows neither terminals nor HTTP.

The events are those of `GET /v1/events` (docs/page.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

#: Ended jobs that are shown.
_ENDED = 10
_WAITING, _RUNNING = "queued", "in_progress"


@dataclass(frozen=True, slots=True)
class Row:
    """A job in words. `waits`: it can be held, moved and ranked. `held`: it is."""

    id: str
    place: str
    queue: str
    kind: str
    model: str
    app: str
    service_class: str
    progress: str
    eta: str
    waits: bool
    held: bool
    ended: bool

    @property
    def cells(self) -> tuple[str, ...]:
        return (
            self.place,
            self.queue,
            self.kind,
            self.model,
            self.app,
            self.service_class,
            self.progress,
            self.eta,
            self.id,
        )


#: The titles of `Row.cells`.
TITLES = ("PLACE", "QUEUE", "KIND", "MODEL", "APP", "CLASS", "PROGRESS", "ETA", "ID")


@dataclass(slots=True)
class Board:
    """Not shared between threads."""

    jobs: dict[str, Any] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)
    #: (place, eta) of each job that waits in an order, by queue
    order: dict[str, dict[str, tuple[int, float | None]]] = field(default_factory=dict)
    queues: Any = None
    workers: list[Any] = field(default_factory=list)
    more: bool = False

    def hear(self, kind: str, data: Any) -> None:
        """Take an event. Events of other versions are passed over."""
        match kind:
            case "snapshot":
                self.jobs = {job["id"]: job for job in data["jobs"]}
                self.progress = {each["id"]: each for each in data["progress"]}
                self.order = {}
                for each in data["order"]:
                    self.hear("order", each)
                self.queues, self.workers, self.more = data["queues"], data["workers"], data["more"]
            case "job":
                # A job that changes its state is the last of its kind.
                self.jobs.pop(data["id"], None)
                self.jobs[data["id"]] = data
                self._forget_ended()
            case "progress":
                self.progress[data["id"]] = data
            case "order":
                places = zip(data["positions"], data["etas"], strict=True)
                self.order[data["queue"]] = dict(zip(data["jobs"], places, strict=True))
            case "queues":
                self.queues = data
            case "workers":
                self.workers = data["workers"]
            case "gone":
                self.jobs.pop(data["id"], None)
                self.progress.pop(data["id"], None)

    def _forget_ended(self) -> None:
        ended = [job_id for job_id, job in self.jobs.items() if _has_ended(job)]
        for job_id in ended[: max(0, len(ended) - _ENDED)]:
            self.hear("gone", {"id": job_id})

    @property
    def paused(self) -> bool:
        return bool(self.queues and self.queues["paused"])

    @property
    def summary(self) -> str:
        """One line: what is paused, what runs and waits, which models are in memory."""
        queues = (self.queues or {}).get("queues", {})
        running, waiting = (sum(each[name] for each in queues.values()) for name in ("running", "waiting"))
        paused = [name for name, each in queues.items() if each["paused"] or each["paused_classes"]]
        state = "PAUSED" if self.paused else f"paused: {', '.join(paused)}" if paused else "taking jobs"
        loaded = sorted(
            slot["model"]
            for worker in self.workers
            for slots in worker["slots"].values()
            for slot in slots
            if slot["model"] and slot["state"] == "loaded"
        )
        models = ", ".join(name.rsplit("/", 1)[-1] for name in dict.fromkeys(loaded)) or "none"
        workers = "" if self.workers else "   no worker"
        return f"{state}   running {running}   waiting {waiting}   in memory: {models}{workers}"

    def rows(self) -> list[Row]:
        """What runs, then what waits in its order, then what has ended, the last first."""
        running = [job for job in self.jobs.values() if job["status"] == _RUNNING]
        waiting = [job for job in self.jobs.values() if job["status"] == _WAITING]
        ended = [job for job in self.jobs.values() if _has_ended(job)]
        waiting.sort(key=lambda job: (job["queue"], self._place(job) or len(self.jobs) + 1))
        return [self._row(job) for job in (*running, *waiting, *reversed(ended))]

    def _place(self, job: Any) -> int | None:
        found = self.order.get(job["queue"], {}).get(job["id"])
        return None if found is None else found[0]

    def _row(self, job: Any) -> Row:
        job_id, status = job["id"], job["status"]
        progress = self.progress.get(job_id, {}) if status == _RUNNING else {}
        eta = progress.get("eta")
        if status == _WAITING:
            eta = self.order.get(job["queue"], {}).get(job_id, (0, None))[1]
        place = {_RUNNING: "runs", _WAITING: str(self._place(job) or "-")}.get(status, status)
        return Row(
            id=job_id,
            place=place,
            queue=job["queue"],
            kind=job["kind"],
            model=job["model"].rsplit("/", 1)[-1],
            app=job["app"],
            service_class=job["service_class"],
            progress=" ".join(_progress(job, progress)),
            eta="" if eta is None or _has_ended(job) else _duration(eta),
            waits=status == _WAITING,
            held=job["waits_for"] == "held",
            ended=_has_ended(job),
        )


def _has_ended(job: Any) -> bool:
    return job["status"] not in (_WAITING, _RUNNING)


def _progress(job: Any, progress: Any) -> Iterator[str]:
    """How far a job is, or what it waits for."""
    if job["status"] == _WAITING:
        yield job["waits_for"] or ""
        return
    if job["cancelling"]:
        yield "cancelling"
    elif job["loading"]:
        yield "loading its model"
    if job["error"] and isinstance(job["error"], dict):
        yield str(job["error"].get("code") or job["error"].get("message") or "")
    told = progress.get("progress")
    if told and told.get("total"):
        yield f"{100 * told['done'] // told['total']} %"
    speed = progress.get("tokens_per_second")
    if speed:
        yield f"{speed:.0f} tokens/s"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes}:{rest:02}"
