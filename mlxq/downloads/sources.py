"""A model on a hub: its files, each with its size and hash. This module knows neither disk nor queue."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from jobs.errors import Forbidden, HubUnavailable, InvalidRequest, MlxqError, ModelNotFound

#: Longest path of a file in its repository, in characters.
_LONGEST = 1024
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a model. `blob` is the name under which the hub's cache keeps it.

    `sha256` is the hash of its content, `git_sha1` git's hash of it; None where the hub does not tell.
    """

    path: str
    size: int
    blob: str
    url: str
    sha256: str | None = None
    git_sha1: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """All files of one revision of a model."""

    commit: str
    files: tuple[RemoteFile, ...]


class Source(Protocol):
    """A hub."""

    name: str

    @property
    def headers(self) -> dict[str, str]:
        """Headers for requests of its files. Hosts that it redirects to do not get the token."""

    async def listing(self, repo_id: str) -> Listing:
        """The files of the model's main branch. Raises MlxqError, or HubTrouble when another attempt may succeed."""


class HubTrouble(Exception):
    """A failure that may be temporary. `pause`: seconds that the hub asks to wait."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pause = pause


def refusal(repo_id: str, status: int, variable: str) -> MlxqError:
    """The error for a status that no retry can change. `variable` is the setting that holds the token."""
    if status == 401:
        return ModelNotFound(
            f"The model '{repo_id}' does not exist on the hub, or it is private: {variable} must hold a token that "
            "may read it.",
            param="model",
        )
    if status == 403:
        return Forbidden(
            f"The hub does not give out the model '{repo_id}': its terms must be accepted there, and {variable} must "
            "hold a token that may read it.",
            param="model",
        )
    if status in (404, 410):
        return ModelNotFound(f"The model '{repo_id}' does not exist on the hub.", param="model")
    return HubUnavailable(f"The hub refuses the model '{repo_id}' with the status {status}.", retry_after=60)


def unreachable(repo_id: str, reason: str) -> MlxqError:
    """The error when all attempts failed."""
    return HubUnavailable(
        f"The model '{repo_id}' is not installed, and it could not be fetched: {reason}.", retry_after=60
    )


def checked(listing: Listing, repo_id: str) -> Listing:
    """The same listing. Raises InvalidRequest when a name in it would lead out of the cache."""
    for file in listing.files:
        path = PurePosixPath(file.path)
        parts = file.path.split("/")
        outside = path.is_absolute() or any(part in ("", ".", "..") for part in parts)
        if outside or "\0" in file.path or len(file.path) > _LONGEST or not _is_text(file.path):
            raise InvalidRequest(f"The model '{repo_id}' has a file whose name is not valid.", param="model")
        if not _HASH.fullmatch(file.blob) or file.size < 0:
            raise InvalidRequest(f"The hub's list of the files of '{repo_id}' is not valid.", param="model")
    if not _HASH.fullmatch(listing.commit):
        raise InvalidRequest(f"The hub's list of the files of '{repo_id}' is not valid.", param="model")
    return listing


def _is_text(name: str) -> bool:
    """JSON can hold lone surrogates, which a file name can not."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
