"""Takes waiting jobs from the queue of a category, and returns them. It does not know what becomes of them."""

from collections.abc import Callable, Sequence

import msgspec
import redis

from jobs import keys
from jobs.gate.affinity import Favour, Seat, any_model
from jobs.gate.runner import Runner

#: Seconds after which what waits takes turns with what is more urgent, where no setting is at hand.
AGING = 300.0
#: Waiting jobs among which those for the loaded model are looked for.
_WINDOW = 256
#: Models that one look at a queue asks about: another process may take the first job meanwhile.
_QUESTIONS = 3


class Taker:
    """Thread-safe as far as its Redis client is."""

    def __init__(
        self,
        connection: redis.Redis,
        queue: str,
        aging: float = AGING,
        rests: Callable[[], bool] = lambda: False,
        seat: Seat | None = None,
    ) -> None:
        """`aging`: seconds after which what waits takes turns with what is more urgent.

        `rests`: whether no jobs of the background are taken now. `seat`: with it, several workers share the jobs by
        what they have in memory and on their disks; None: jobs are taken as they come.
        """
        self.queue = queue
        self._redis = connection
        self._scripts = Runner(connection)
        self._aging = aging
        self._rests = rests
        self._seat = seat
        #: whether all that waited at the last look was left to other workers
        self.left = False

    def take(
        self, timeout: int, most: int = 1, favour: Favour = any_model, spare: int = 0
    ) -> list[str] | None:
        """Wait up to `timeout` seconds for jobs, and take up to `most` of them and `spare` more interactive ones.

        0: do not wait.

        They move to RQ's intermediate list until they are claimed. None: jobs wait, but for other workers (`left`),
        or for a model that may not be loaded yet, while those of the models in memory may go first.
        """
        taken = self._choose(most, spare, favour)
        if taken is None and not timeout:
            return []
        if taken is None:
            # Wakes when something comes, and leaves the bell as it is. What RQ's own tools queue does not ring: the
            # next call finds it.
            bell = keys.bell(self.queue)
            if self._redis.blmove(bell, bell, timeout, src="LEFT", dest="LEFT") is None:
                return []
            taken = self._choose(most, spare, favour)
            if taken is None:
                return []
        return taken or None

    def _choose(self, most: int, spare: int, favour: Favour) -> list[str] | None:
        """The jobs taken; none when all that wait have to wait on, None when nothing waits."""
        asked: str | None = None
        for _ in range(_QUESTIONS):
            now = favour(asked)
            ready = b"" if now.ready is None else msgspec.json.encode(now.ready)
            models = [ready, msgspec.json.encode(now.busy), now.since_ms, now.patience_ms]
            order = [self.queue, most, _WINDOW, *models, now.asked, now.room or "", self._aging, spare]
            seat = self._seat
            order += [int(self._rests()), seat.worker if seat else "", seat.places if seat else 0]
            order += [now.free, now.needed]
            answer = self._scripts.run("choose", [keys.intermediate(self.queue)], order)
            self.left = isinstance(answer, int)
            if self.left:
                return []
            if not isinstance(answer, bytes):
                return None if answer is None else [job_id.decode() for job_id in answer]
            asked = answer.decode()
        return []

    def stop_waiting(self, client_name: str) -> None:
        """End a `take` that another thread waits in, on its connection of that name, as if its time was over.

        Where the user may not do that, the `take` ends by itself.
        """
        for client in self._redis.client_list():
            if client["name"] == client_name:
                self._redis.client_unblock(int(client["id"]))

    def put_back(self, taken: Sequence[str]) -> None:
        """Return jobs that were taken but not claimed to the front of their classes, in their order."""
        self._scripts.run("put_back", [keys.intermediate(self.queue)], taken)
