"""Which commands of Redis a joined worker may send, beside the scripts of the gate: a table.

It knows what a worker process keeps in Redis of itself. What is not in the table is refused.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from jobs import keys
from jobs.consumer.registration import LISTED
from jobs.gate import LEASE
from jobs.kinds import Category
from jobs.shared_log import LEVELS, MOST
from mlxq.gateway.events import is_event
from mlxq.gateway.sessions import Joined

#: What one argument may be: one of these, or what a function accepts.
Matcher: TypeAlias = frozenset[bytes] | Callable[[bytes], bool]
#: The arguments behind the command's name; the last one may stand for any number of its like.
Pattern: TypeAlias = tuple[Matcher, ...]

#: Categories whose queues a joined worker may take jobs from.
CATEGORIES: Final = tuple(each.value for each in Category)
#: Seconds that what a worker publishes may live, and answers to the API's orders.
_LEASE, _ANSWERS = int(LEASE), 120
#: Bytes of an error's text, of a line of the log, and of what else a worker says of itself or of a model.
_LONGEST_ERROR, _LONGEST_LINE, _LONGEST = 4096, 16_384, 1 << 20
#: What RQ's list of workers tells of one.
_ENTRY = re.compile(rb"[ -~]{0,256}")
_ANSWERS_KEY = re.compile(rb"mlxq:answers:[0-9a-f]{16}")
_BUS = re.compile(rb"mlxq:bus:[\w.-]{1,128}")
_REPLY = re.compile(rb'\[\["question-[0-9a-f]{24}","[0-9]{1,16}-0",(.*)\]\]', re.DOTALL)


class Rules:
    """Of one session. Every argument is valid UTF-8: the filter has looked."""

    def __init__(self, joined: Joined) -> None:
        self._table: dict[bytes, list[tuple[Pattern, bool]]] = {}
        for name, pattern, repeats in _rules(joined):
            self._table.setdefault(name.encode(), []).append((pattern, repeats))

    def allow(self, command: bytes, arguments: Sequence[bytes]) -> bool:
        """`command` is in capitals."""
        return any(
            _matches(pattern, arguments, repeats=repeats) for pattern, repeats in self._table.get(command, ())
        )


def _matches(pattern: Pattern, arguments: Sequence[bytes], *, repeats: bool) -> bool:
    few = len(arguments) < len(pattern)
    if few or (len(arguments) > len(pattern) and not repeats):
        return False
    more = pattern[-1:] * (len(arguments) - len(pattern))
    return all(
        each in matcher if isinstance(matcher, frozenset) else matcher(each)
        for matcher, each in zip((*pattern, *more), arguments, strict=True)
    )


def own_names(joined: Joined) -> dict[str, bytes]:
    """The names that the worker's queues have as RQ's workers, by their categories."""
    return {category: f"{joined.worker}.{category}".encode() for category in CATEGORIES}


def _rules(joined: Joined) -> Iterator[tuple[str, Pattern, bool]]:
    """(command, pattern, whether its last part may be repeated)."""
    name = joined.worker.encode()
    entries = _one(*(keys.worker(each.decode()) for each in own_names(joined).values()))
    state, inventory = _one(keys.worker_state(joined.worker)), _one(keys.inventory(joined.worker))
    paces = f"{joined.host} ".encode()
    any_text = _up_to_bytes(_LONGEST)

    def once(command: str, *pattern: Matcher) -> tuple[str, Pattern, bool]:
        return command, pattern, False

    def many(command: str, *pattern: Matcher) -> tuple[str, Pattern, bool]:
        return command, pattern, True

    yield once("PING")
    yield once("TIME")
    yield once("MULTI")
    yield once("EXEC")
    yield once("DISCARD")
    yield once("CLIENT", _one("SETNAME"), lambda each: each.startswith(name + b"."))
    yield once("CLIENT", _one("SETINFO"), _short, _short)
    # What it reads of the server.
    yield once("HGETALL", _one(keys.SETTINGS))
    yield once("SUBSCRIBE", _one(keys.commands(joined.worker)))
    yield once("UNSUBSCRIBE", _one(keys.commands(joined.worker)))
    yield once("UNSUBSCRIBE")
    # Waiting for jobs.
    for category in CATEGORIES:
        bell = _one(keys.bell(category))
        yield once("BLMOVE", bell, bell, _one("LEFT"), _one("LEFT"), _number)
        yield once("RPUSH", bell, _one("1"))
    # Questions that only it can answer.
    yield once("LPOP", _one(keys.questions(joined.worker)))
    yield once("PUBLISH", _is_bus, _is_reply)
    # What it says of itself: RQ's list of workers, its state, its models.
    yield many("HSET", entries, _is_entry)
    yield once("EXPIRE", entries, _up_to(LISTED))
    yield once("EXISTS", entries)
    yield once("SADD", _one(keys.WORKERS, *map(keys.workers_of, CATEGORIES)), entries)
    yield once("SREM", _one(keys.WORKERS, *map(keys.workers_of, CATEGORIES)), entries)
    yield many("DEL", entries | state | inventory)
    yield once("SET", state, any_text, _one("EX"), _up_to(_LEASE))
    yield once("SET", _one(keys.RESTING), _one(joined.worker), _one("EX"), _up_to(_LEASE))
    yield once("SADD", _one(keys.WORKER_STATES), _one(joined.worker))
    yield once("SREM", _one(keys.WORKER_STATES), _one(joined.worker))
    yield once("EXPIRE", inventory, _up_to(_LEASE))
    yield once("EXISTS", state | inventory)
    yield once("HSET", inventory, _short, any_text)
    yield many("HDEL", inventory, _short)
    yield once("HDEL", _one(*map(keys.machines, CATEGORIES)), _one(joined.worker))
    yield once("HSET", _one(keys.MODEL_ERRORS), _short, _up_to_bytes(_LONGEST_ERROR))
    yield once("HDEL", _one(keys.MODEL_ERRORS), _short)
    # What it has learned of its models, under the name of its machine.
    own = _one(f"{joined.host} *")
    yield once("HSCAN", _one(keys.PACES), _number, _one("MATCH"), own, _one("COUNT"), _number)
    yield once("HSET", _one(keys.PACES), lambda each: each.startswith(paces) and _short(each), any_text)
    yield many("HDEL", _one(keys.PACES), lambda each: each.startswith(paces))
    # Answers to the API's orders, what its users told it to load, and lines of its log.
    yield once("RPUSH", _is_answers, any_text)
    yield once("EXPIRE", _is_answers, _up_to(_ANSWERS))
    loads = re.compile(rb"(?:load|unload) [a-z]+ %b [^\n]{0,512}" % re.escape(name))
    yield once("PUBLISH", _one(keys.COMMANDS), lambda each: loads.fullmatch(each) is not None)
    line = (_one("t"), _number, _one("l"), _one(*LEVELS), _one("p"), _one(f"worker {joined.host}"), _one("m"))
    yield once(
        "XADD",
        _one(keys.LOGS),
        _one("MAXLEN"),
        _one(str(MOST)),
        _one("*"),
        *line,
        _up_to_bytes(_LONGEST_LINE),
    )


def _one(*names: str) -> frozenset[bytes]:
    return frozenset(name.encode() for name in names)


def _short(argument: bytes) -> bool:
    return len(argument) <= 1024


def _number(argument: bytes) -> bool:
    return len(argument) <= 20 and argument.replace(b".", b"", 1).isdigit()


def _up_to(most: int) -> Matcher:
    return lambda each: len(each) <= 6 and each.isdigit() and int(each) <= most


def _up_to_bytes(most: int) -> Matcher:
    return lambda each: len(each) <= most


def _is_entry(argument: bytes) -> bool:
    return _ENTRY.fullmatch(argument) is not None


def _is_answers(argument: bytes) -> bool:
    return _ANSWERS_KEY.fullmatch(argument) is not None


def _is_bus(argument: bytes) -> bool:
    return _BUS.fullmatch(argument) is not None


def _is_reply(argument: bytes) -> bool:
    """The answer to one question, whose id nobody knows but who has taken it."""
    found = _REPLY.fullmatch(argument)
    return found is not None and is_event(found[1])
