"""What users change of the order of waiting jobs: pause and resume queues; hold, release and move jobs.

It knows what is asked and what Redis answers. Who may ask, the API decides.
"""

import time

import redis.asyncio

from jobs import keys
from jobs.commands import GIVE_BACK
from jobs.errors import Conflict, JobNotFound
from jobs.gate import AsyncGate, Change
from jobs.kinds import QUEUES
from jobs.queue.waits import EVERY_QUEUE
from jobs.redis.errors import told
from jobs.service_class import CLASSES, ServiceClass
from jobs.status import JobStatus


def queue_name(category: str | None, service_class: ServiceClass | None) -> list[str]:
    """The names under which a category, a class of it, a class of all, or everything is paused."""
    if service_class is None:
        return [category or EVERY_QUEUE]
    return [f"{each}:{service_class}" for each in ([category] if category else QUEUES)]


class QueueControl:
    """Errors of Redis surface as ServiceUnavailable."""

    def __init__(self, connection: redis.asyncio.Redis, gate: AsyncGate) -> None:
        self._redis = connection
        self._gate = gate

    async def pause(
        self,
        category: str | None = None,
        service_class: ServiceClass | None = None,
        *,
        give_back: bool = False,
    ) -> None:
        """Start no more of these jobs, all where nothing is named. `give_back`: what runs goes back to its queue."""
        names = queue_name(category, service_class)
        with told():
            await self._redis.hset(keys.PAUSED, mapping={name: round(time.time(), 3) for name in names})
            if give_back:
                for name in names:
                    await self._redis.publish(keys.COMMANDS, f"{GIVE_BACK} {name}")

    async def resume(self, category: str | None = None, service_class: ServiceClass | None = None) -> None:
        """Start them again. Where nothing is named, nothing is paused any more."""
        with told():
            async with self._redis.pipeline() as pipe:
                if category is None and service_class is None:
                    pipe.delete(keys.PAUSED)
                elif service_class is None:
                    pipe.hdel(keys.PAUSED, str(category), *(f"{category}:{each}" for each in CLASSES))
                else:
                    pipe.hdel(keys.PAUSED, *queue_name(category, service_class))
                for each in QUEUES:
                    pipe.rpush(keys.bell(each), 1)
                await pipe.execute()

    async def change(self, job_id: str, change: Change, to: str = "") -> None:
        """Change how a job waits. Raises JobNotFound, and Conflict for a job that does not wait."""
        with told():
            answer = await self._gate.rearrange(job_id, change, to)
        if answer == "gone":
            raise JobNotFound(f"No job with id '{job_id}'.")
        if answer == "deferred":
            raise Conflict(
                f"Job '{job_id}' has no place in its queue yet: it is held, or its model is fetched."
            )
        if answer == "taken":
            raise Conflict(f"Job '{job_id}' starts just now.")
        if answer != "ok":
            raise Conflict(f"Job '{job_id}' does not wait any more ({JobStatus.from_rq(answer)}).")

    async def prioritise(self, category: str, model: str, priority: int) -> int:
        """Let the jobs that wait for a model go before those of a lower priority. Returns how many they are."""
        with told():
            return await self._gate.prioritise(category, model, priority)
