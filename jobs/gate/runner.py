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
        #: scripts that Redis has run for it
        self._known: set[str] = set()

    def run(self, name: str, names: Sequence[str], arguments: Sequence[Any]) -> Any:
        """What the script answers."""
        text, sha = script(name)
        try:
            return self._redis.evalsha(sha, len(names), *names, *arguments)
        except NoScriptError:
            return self._redis.eval(text, len(names), *names, *arguments)

    def run_many(self, calls: Sequence[Call]) -> list[Any]:
        """The answer of each, in their order, in one round trip.

        One that Redis does not know yet would run after those behind it: different scripts run one by one at first.
        """
        scripts = {call.script for call in calls}
        if len(calls) == 1 or (len(scripts) > 1 and not scripts <= self._known):
            found = [self.run(call.script, call.names, call.arguments) for call in calls]
            self._known |= scripts
            return found
        with self._redis.pipeline(transaction=False) as pipe:
            for call in calls:
                pipe.evalsha(script(call.script)[1], len(call.names), *call.names, *call.arguments)
            answers: list[Any] = pipe.execute(raise_on_error=False)
        for place, answer in enumerate(answers):
            if isinstance(answer, NoScriptError):
                self._known.clear()
                call = calls[place]
                answers[place] = self.run(call.script, call.names, call.arguments)
            elif isinstance(answer, Exception):
                raise answer
        return answers
