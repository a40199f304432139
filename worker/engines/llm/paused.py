"""Requests whose client has left for a moment, and how many tokens each may still make. It knows no rows."""

#: Tokens that a paused request may still make: a client that comes back for it gets them at once.
PAUSED_TOKENS = 64


class Paused:
    """Ids of tasks. A task that spends its last token stands still until it is removed from here."""

    def __init__(self) -> None:
        self._left: dict[str, int] = {}

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._left

    def __bool__(self) -> bool:
        return bool(self._left)

    def add(self, task_id: str) -> None:
        self._left.setdefault(task_id, PAUSED_TOKENS)

    def remove(self, task_id: str) -> None:
        self._left.pop(task_id, None)

    def spend(self, task_id: str) -> bool:
        """A row has made a token. Whether it has to stand still: its task is paused and has none left."""
        if task_id not in self._left:
            return False
        self._left[task_id] -= 1
        return self._left[task_id] <= 0

    @property
    def still(self) -> list[str]:
        """The tasks that have no tokens left."""
        return [task_id for task_id, left in self._left.items() if left <= 0]
