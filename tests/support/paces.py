"""What a worker would have learned of a model, put into Redis."""

import msgspec
import redis

from jobs import keys
from jobs.eta import ModelPaces
from jobs.eta.paces import field_of

#: The machine of a `ScriptedWorker`.
HOST = "test"


def learn(
    connection: redis.Redis,
    model: str,
    *,
    step: float = 0.0,
    read: float = 0.0,
    write: float = 0.0,
    answer: int = 0,
    app: str = "",
) -> None:
    """Seconds for a unit of work (`step`), for a token that is read, and for one that is written.

    `answer`: tokens that the app usually gets; its requests have a token in each byte.
    """
    paces = ModelPaces()
    for size in (1.0, 1000.0):
        paces.work.learn(size, step * size)
        paces.read.learn(size, read * size)
    paces.write.learn(1, 0, write)
    if answer:
        paces.note(app, 100, 100, 0, answer, limited=False)
    connection.hset(keys.PACES, field_of(HOST, model), msgspec.json.encode(paces))
