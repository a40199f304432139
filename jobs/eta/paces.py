"""What one machine has learned of its models: how fast they work, and what apps usually ask of them.

The worker learns and writes it, the API reads it. It does not know jobs that wait, or how they share the device.
"""

import math
import re
import time
from typing import Annotated, Any

import msgspec
import redis

from jobs import keys
from jobs.eta.curve import Curve, Logarithm
from jobs.eta.steps import Steps

#: Models of a machine, and apps of a model, that are remembered: those that were used last.
MOST_MODELS = 128
MOST_APPS = 32
#: Fields that are looked at in one go.
_PAGE = 1000
#: How much a habit follows the last request.
_NEWS = 0.2
_LOAD_NEWS = 0.5
#: The habit of all apps together.
ANYBODY = ""


#: A number that machines may tell.
Amount = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]


class Habit(msgspec.Struct, omit_defaults=True):
    """What an app usually asks of a model that writes.

    `density`: tokens of its prompts for each byte of its requests; `unread`: the share of them that is in no cache;
    `answer`: the logarithm of the tokens of an answer that ends by itself; `begins`: that of the seconds from the
    start of a job until the first of its answer.
    """

    density: Amount = 0.0
    unread: Amount = 1.0
    answer: Logarithm = 0.0
    seen: int = 0
    at: float = 0.0
    begins: Logarithm = -7.0

    def learn(
        self, size: int, prompt: int, cached: int, written: int, *, limited: bool, begins: float | None = None
    ) -> None:
        """A request of `size` bytes. `limited`: its answer would have been longer."""
        news = max(_NEWS, 1 / (self.seen + 1))
        self.density += news * (prompt / max(1, size) - self.density)
        self.unread += news * ((prompt - cached) / max(1, prompt) - self.unread)
        if begins is not None:
            self.begins += news * (math.log(max(begins, 1e-3)) - self.begins)
        length = math.log(max(1, written))
        if limited:
            # All that is known is that it is longer.
            length = max(self.answer, length + math.log(2))
        self.answer += news * (length - self.answer)
        self.seen = min(self.seen + 1, 1000)
        self.at = time.time()


class ModelPaces(msgspec.Struct, omit_defaults=True):
    """What is known of a model. Seconds are those of the device, without the work of others.

    `work`: of jobs that write no text, by their size; `last`: of their last steps. `read`: of prompts, by the tokens
    that are in no cache. `write`: of a token, by the answers that are written together. `load`: of bringing it into
    memory.
    """

    at: float = 0.0
    work: Curve = msgspec.field(default_factory=Curve)
    last: Curve = msgspec.field(default_factory=Curve)
    read: Curve = msgspec.field(default_factory=Curve)
    write: Steps = msgspec.field(default_factory=Steps)
    load: Amount | None = None
    habits: dict[str, Habit] = {}

    def habit(self, app: str) -> Habit | None:
        """That of an app, else that of all."""
        return self.habits.get(app) or self.habits.get(ANYBODY)

    def note(
        self,
        app: str,
        size: int,
        prompt: int,
        cached: int,
        written: int,
        *,
        limited: bool,
        begins: float | None = None,
    ) -> None:
        """A text of this app has ended."""
        for name in {app, ANYBODY}:
            habit = self.habits.setdefault(name, Habit())
            habit.learn(size, prompt, cached, written, limited=limited, begins=begins)
        if len(self.habits) > MOST_APPS:
            del self.habits[min(self.habits, key=lambda name: self.habits[name].at)]


class Paces:
    """All models of a machine, in memory; `save` now and then. A worker's threads share one."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._models: dict[str, ModelPaces] = {}
        self._changed: set[str] = set()

    def of(self, model: str) -> ModelPaces:
        """What is known of a model, to be read and to be added to."""
        return self._models.setdefault(model, ModelPaces())

    def learned(self, model: str) -> None:
        """Something was added to what is known of this model."""
        self.of(model).at = time.time()
        self._changed.add(model)

    def loaded(self, model: str, seconds: float) -> None:
        """A model was brought into memory."""
        known = self.of(model)
        known.load = seconds if known.load is None else known.load + _LOAD_NEWS * (seconds - known.load)
        self.learned(model)

    def load(self, connection: redis.Redis) -> None:
        """What was known before this process began. Raises RedisError."""
        beginning = f"{self.host} "
        # Those of other machines are none of its business.
        fields: Any = connection.hscan_iter(keys.PACES, match=f"{_literally(beginning)}*", count=_PAGE)
        for name, text in fields:
            if (known := decode_paces(text)) is not None:
                self._models.setdefault(name.decode().removeprefix(beginning), known)

    def save(self, connection: redis.Redis) -> None:
        """Write what was added, and forget the models that were used longest ago. Raises RedisError."""
        if not self._changed:
            return
        changed, self._changed = self._changed, set()
        newest = sorted(self._models, key=lambda model: self._models[model].at, reverse=True)
        old = newest[MOST_MODELS:]
        try:
            with connection.pipeline(transaction=False) as pipe:
                for model in changed.difference(old):
                    pipe.hset(
                        keys.PACES, field_of(self.host, model), msgspec.json.encode(self._models[model])
                    )
                if old:
                    pipe.hdel(keys.PACES, *(field_of(self.host, model) for model in old))
                pipe.execute()
        except BaseException:
            self._changed |= changed
            raise
        for model in old:
            del self._models[model]


def _literally(text: str) -> str:
    """As a part of one of Redis' patterns."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", text)


def field_of(host: str, model: str) -> str:
    """Where a model of a machine is in the hash."""
    return f"{host} {model}"


_DECODER = msgspec.json.Decoder(ModelPaces)


def decode_paces(text: bytes | str) -> ModelPaces | None:
    """None for what another version wrote."""
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
