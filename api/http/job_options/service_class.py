"""The class of a job: what its request says, in the words of several APIs, and else what its kind suggests.

The body wins over headers, and `priority` over `service_tier`. What a class means for a queue is not known here.
"""

import re
from typing import Annotated, Literal

from pydantic import Field
from starlette.datastructures import Headers

from api.http.bodies.fields import MAX_COUNT
from api.http.job_options.prefer import Preference
from api.http.job_options.webhook import Notifying
from jobs.errors import InvalidRequest
from jobs.kinds import Kind
from jobs.service_class import CLASSES, ServiceClass

ServiceTier = Literal[
    "auto", "default", "flex", "scale", "priority", "fast", "ultrafast", "batch", "standard_only"
]
#: The tier that an answer tells: what was asked for, where that has an effect.
ServedTier = Literal["default", "flex", "priority"]
#: A class, fal's words for the first and the last one, or a number as LiteLLM and vLLM have it: lower goes first.
Priority = (
    Literal["interactive", "normal", "background", "high", "low"]
    | Annotated[int, Field(ge=-MAX_COUNT, le=MAX_COUNT)]
)

_TIERS = {
    "flex": ServiceClass.BACKGROUND,
    "batch": ServiceClass.BACKGROUND,
    "priority": ServiceClass.INTERACTIVE,
    "fast": ServiceClass.INTERACTIVE,
    "ultrafast": ServiceClass.INTERACTIVE,
}
_SERVED: dict[ServiceClass | None, ServedTier] = {
    ServiceClass.BACKGROUND: "flex",
    ServiceClass.INTERACTIVE: "priority",
}
_WORDS = {
    **{each.value: each for each in CLASSES},
    "high": ServiceClass.INTERACTIVE,
    "low": ServiceClass.BACKGROUND,
}
#: The number that LiteLLM calls medium. Greater ones are background.
_MEDIUM = 128
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}")

#: Headers with a priority, the preferred one first.
_HEADERS = ("x-priority", "x-fal-queue-priority")
#: What Open WebUI does for a chat beside its answer, and its tasks that somebody waits for.
_TASK = "x-openwebui-task"
_AWAITED_TASKS = frozenset(
    {
        "autocomplete_generation",
        "function_calling",
        "image_prompt_generation",
        "moa_response_generation",
        "query_generation",
    }
)

#: Kinds whose synchronous requests somebody waits for, streamed or not.
_AWAITED = frozenset({Kind.CHAT, Kind.COMPLETION, Kind.SPEECH, Kind.LOAD, Kind.UNLOAD})


class Ranked(Notifying):
    """A request that may say how urgent it is, and of which session of its program."""

    service_tier: ServiceTier | None = None
    priority: Priority | None = None
    prompt_cache_key: str | None = None

    @property
    def service_class(self) -> ServiceClass | None:
        """The class that it asks for; None: it leaves that to its kind."""
        if self.priority is not None:
            return _of_priority(self.priority)
        return _TIERS.get(self.service_tier or "")

    @property
    def served_tier(self) -> ServedTier:
        return _SERVED.get(self.service_class, "default")


def _of_priority(priority: str | int) -> ServiceClass | None:
    if isinstance(priority, str):
        return _WORDS[priority]
    if priority == 0:
        return None
    if priority < 0:
        return ServiceClass.INTERACTIVE
    return ServiceClass.NORMAL if priority <= _MEDIUM else ServiceClass.BACKGROUND


def class_of(
    headers: Headers, kind: Kind, preference: Preference, *, stream: bool, asked: ServiceClass | None
) -> ServiceClass:
    """`asked` by the body, else by a header, else usual for such a request. Raises InvalidRequest."""
    said = _by_headers(headers)
    return asked or said or _usual(kind, preference, stream)


def _by_headers(headers: Headers) -> ServiceClass | None:
    for name in _HEADERS:
        value = headers.get(name, "").strip().lower()
        if value in _WORDS:
            return _WORDS[value]
        if _NUMBER.fullmatch(value):
            return _of_priority(int(value))
        if value:
            raise InvalidRequest(
                f"Invalid '{name}': it must be {', '.join(_WORDS)}, or a number: lower goes first.",
                param=name,
                code="invalid_value",
            )
    task = headers.get(_TASK, "").strip().lower()
    return ServiceClass.BACKGROUND if task and task not in _AWAITED_TASKS else None


def _usual(kind: Kind, preference: Preference, stream: bool) -> ServiceClass:
    """Interactive is what somebody waits for: an answer of text or speech, or what is streamed but images."""
    if preference.wait == 0:
        return ServiceClass.NORMAL
    awaited = kind in _AWAITED or (stream and kind is not Kind.IMAGE)
    return ServiceClass.INTERACTIVE if awaited else ServiceClass.NORMAL
