"""Runs scripts of the gate on a worker's connection, one or many in one round trip. It does not know what they do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.exceptions import NoScriptError

from jobs.gate.scripts import script


@dataclass(frozen=True, slots=True)
class Call:
    """A script with its keys and arguments."""

    script: str
    names: list[str]
    arguments: list[Any]


class Runner:
    """Thread-safe as far as its Redis client is."""

    def __init__(self, connection: redis.Redis) -> None:
        self._redis = connection

    def run(self, name: str, names: Sequence[str], arguments: Sequence[Any]) -> Any:
        """What the script answers."""
        text, sha = script(name)
        try:
            return self._redis.evalsha(sha, len(names), *names, *arguments)
        except NoScriptError:
            return self._redis.eval(text, len(names), *names, *arguments)

    def run_many(self, calls: Sequence[Call]) -> list[Any]:
        """The answer of each, in one round trip."""
        if len(calls) == 1:
            call = calls[0]
            return [self.run(call.script, call.names, call.arguments)]
        with self._redis.pipeline(transaction=False) as pipe:
            for call in calls:
                pipe.evalsha(script(call.script)[1], len(call.names), *call.names, *call.arguments)
            answers: list[Any] = pipe.execute(raise_on_error=False)
        for place, answer in enumerate(answers):
            if isinstance(answer, NoScriptError):
                call = calls[place]
                answers[place] = self.run(call.script, call.names, call.arguments)
            elif isinstance(answer, Exception):
                raise answer
        return answers
