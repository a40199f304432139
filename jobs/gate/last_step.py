"""What the engines of a worker worked on when it died. It does not know how that was recorded."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class LastStep:
    """`executions`: those of one queue. `company`: whether there were others, in this queue or another one."""

    executions: set[str] = field(default_factory=set)
    company: bool = False

    def plain(self) -> dict[str, object]:
        """As `recover.lua` takes it."""
        return {"executions": sorted(self.executions), "company": self.company}
