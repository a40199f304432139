"""The classes of jobs, by which a queue is ordered. It does not know how a request gets one."""

from enum import StrEnum


class ServiceClass(StrEnum):
    """The most urgent first."""

    #: somebody waits for the answer
    INTERACTIVE = "interactive"
    #: wanted soon, but nobody looks on
    NORMAL = "normal"
    #: may wait until nothing else is there
    BACKGROUND = "background"


#: Every class, the most urgent first.
CLASSES: tuple[ServiceClass, ...] = tuple(ServiceClass)


def service_class(text: str | None) -> ServiceClass:
    """The class as a job's hash has it. Jobs of other programs and of earlier versions have none."""
    return ServiceClass(text) if text in CLASSES else ServiceClass.NORMAL
