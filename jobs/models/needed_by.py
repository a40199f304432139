"""The jobs that need a model: queued, running, or downloading it."""

from typing import Any

import redis.asyncio

from jobs import keys
from jobs.kinds import QUEUES
from jobs.queue.order import read_waiting


async def jobs_for(connection: redis.asyncio.Redis, model_id: str) -> list[str]:
    """Ids of the jobs that have not ended and need this model, with an adapter or without. Raises RedisError."""
    async with connection.pipeline(transaction=False) as pipe:
        for queue in QUEUES:
            read_waiting(pipe, queue)
            pipe.lrange(keys.intermediate(queue), 0, -1)
            pipe.zrange(keys.deferred(queue), 0, -1)
            pipe.zrange(keys.started(queue), 0, -1)
        found: Any = await pipe.execute()
    # A running job is listed with its execution.
    ids = [str(member).partition(":")[0] for members in found for member in members]
    async with connection.pipeline(transaction=False) as pipe:
        for job_id in ids:
            pipe.hget(keys.job(job_id), "mlxq_model")
        models: Any = await pipe.execute() if ids else []
    return [
        job_id
        for job_id, model in zip(ids, models, strict=True)
        if model == model_id or str(model).startswith(f"{model_id}+")
    ]
