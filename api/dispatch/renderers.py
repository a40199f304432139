"""The registry of renderers: resources register one for each dialect and kind.

A job's answer is the same whether its client waits for it, polls for it later or reads it in the job's last event.
This module knows no resource.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from starlette.requests import HTTPConnection

from api.http.routes.dialect import Dialect
from jobs.kinds import read_result
from jobs.meta import Meta, decode_meta
from jobs.webhooks import Family

M = TypeVar("M", bound=Meta)
R = TypeVar("R")
Noted = TypeVar("Noted", bound=Meta, covariant=True)
Given = TypeVar("Given", covariant=True)


@dataclass(frozen=True, slots=True)
class Answered(Generic[Noted, Given]):
    """A job that ended well. `base` is the server's own address as the client knows it; it ends with a slash.

    `ended_at` is in Unix seconds.
    """

    job_id: str
    meta: Noted
    result: Given
    base: str
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Renderer(Generic[M, R]):
    """Of the jobs of one kind that were asked for in one dialect. `meta` is the type of what is noted with each."""

    dialect: Dialect
    kind: str
    meta: type[M]
    #: the body of the answer
    body: Callable[[Answered[M, R]], Mapping[str, object] | Sequence[object]]
    #: what the job object calls the kind, where the dialect has another word
    name: str = ""
    #: how ids of jobs begin, with what separates it, where the dialect has other ones
    prefix: str = ""
    #: what its events are about, for webhooks
    family: Family = "job"
    #: whether `body` takes so long that other requests have to go on meanwhile
    slow: bool = False
    #: the same with the files themselves in it, where a result has files; it reads them by their blobs
    whole: Callable[[Answered[M, R], Callable[[str], bytes]], Mapping[str, object]] | None = None

    def answered(
        self, job_id: str, meta: Meta | str, result: msgspec.Raw, base: str, ended_at: float | None = None
    ) -> Answered[M, R]:
        """Raises MlxqError for the result of another version."""
        return Answered(job_id, self.noted(meta), read_result(self.kind, result), base, ended_at)

    def noted(self, meta: Meta | str) -> M:
        """What was noted with a job, as it was submitted or as it is kept."""
        noted = decode_meta(meta, self.meta) if isinstance(meta, str) else meta
        assert isinstance(noted, self.meta)
        return noted


class Renderers:
    """Those of an application. No two are of the same dialect and kind."""

    def __init__(self, renderers: Iterable[Renderer[Any, Any]], default: Dialect) -> None:
        self._default = default
        self._renderers: dict[tuple[str, str], Renderer[Any, Any]] = {}
        for renderer in renderers:
            key = (renderer.dialect.name, str(renderer.kind))
            if key in self._renderers:
                raise ValueError(f"there are two renderers of '{key[1]}' in the dialect '{key[0]}'")
            self._renderers[key] = renderer

    def __getitem__(self, asked: tuple[str, str]) -> Renderer[Any, Any]:
        """By dialect and kind. Raises KeyError where no resource has registered one."""
        return self._renderers[asked]

    def find(self, dialect: str, kind: str) -> Renderer[Any, Any]:
        """The same. A job of another version of mlxq has its result as the worker wrote it."""
        found = self._renderers.get((dialect, kind))
        return found or Renderer(self._default, kind, Meta, lambda answered: answered.result)


def renderers_of(connection: HTTPConnection) -> Renderers:
    """Those of the application that serves this request."""
    renderers: Renderers = connection.app.state.renderers
    return renderers
