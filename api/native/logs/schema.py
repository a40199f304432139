"""The answers of `/v1/logs`."""

from typing import Literal

from typing_extensions import TypedDict

from jobs.shared_log import Level


class LogEntry(TypedDict):
    """`time` is in Unix seconds."""

    id: str
    time: float
    level: Level
    process: str
    text: str


class LogEntries(TypedDict):
    """The newest last."""

    object: Literal["list"]
    data: list[LogEntry]
