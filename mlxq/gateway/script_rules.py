"""Which scripts of the gate a joined worker may run, and with which keys and arguments.

A script trusts its arguments. Here they are held against those of `jobs/gate/consumer.py`, so that a worker reaches
nothing but the queues, and jobs whose executions it has. Whether it has one, a script finds out itself: the id of an
execution is known to nobody but who has claimed it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha1
from typing import TypeAlias

from config.settings import Settings
from jobs import keys
from jobs.gate import LEASE, Ttl
from jobs.gate.scripts import script
from jobs.protocol import SCRIPTS
from mlxq.gateway.command_rules import CATEGORIES, is_event, own_names
from mlxq.gateway.sessions import Joined

Words: TypeAlias = Sequence[bytes]
Rule: TypeAlias = Callable[["ScriptRules", Words, Words], bool]

_EXECUTION = re.compile(rb"[0-9a-f]{32}")
#: Arguments of `choose.lua`; the 13th is the worker.
_CHOOSE = 16
_LONGEST_ID, _LONGEST_TEXT = 256, 1 << 20
#: Files that a result may name: what a job made.
_OUTPUTS = re.compile(rb"(?:blob-[0-9a-f]{32}-[0-9a-f]{64}(?: |$))*")
#: What is counted of a result, and the time of its first token.
_COUNTED = re.compile(rb"(?:[a-z_]+ [0-9]+(?: |$))*")
_ENDS: Mapping[bytes, Callable[[str], str]] = {
    b"finished": keys.finished,
    b"failed": keys.failed,
    b"canceled": keys.cancelled,
}
#: By the SHA-1 of each.
_NAMES = {script(name)[1].encode(): name for name in SCRIPTS}


class ScriptRules:
    """Of one session."""

    def __init__(self, joined: Joined, settings: Settings) -> None:
        ttl = Ttl.of(settings)
        self.ttls = (str(ttl.result).encode(), str(ttl.events).encode())
        self.names = frozenset(own_names(joined).values())
        self.worker = joined.worker.encode()

    def allow_sha(self, arguments: Words) -> bool:
        """Of EVALSHA."""
        return len(arguments) > 1 and self._allow(_NAMES.get(bytes(arguments[0]).lower(), ""), arguments)

    def allow_text(self, arguments: Words) -> bool:
        """Of EVAL: a script of the gate that Redis has forgotten."""
        if len(arguments) < 2:
            return False
        sha = sha1(arguments[0], usedforsecurity=False).hexdigest().encode()
        return self._allow(_NAMES.get(sha, ""), arguments)

    def _allow(self, name: str, arguments: Words) -> bool:
        rule, number = _RULES.get(name), arguments[1]
        if rule is None or not number.isdigit() or len(number) > 2:
            return False
        last = 2 + int(number)
        return len(arguments) >= last and rule(self, arguments[2:last], arguments[last:])


def _category(key: bytes, of: Callable[[str], str]) -> str | None:
    """The category whose key this is."""
    return next((each for each in CATEGORIES if of(each).encode() == key), None)


def _is_job(job_id: bytes) -> bool:
    # In members of registries a colon stands between a job and its execution.
    return 0 < len(job_id) <= _LONGEST_ID and b":" not in job_id


def _is_execution(execution_id: bytes) -> bool:
    return _EXECUTION.fullmatch(execution_id) is not None


def _is_lease(seconds: bytes) -> bool:
    try:
        return len(seconds) <= 8 and 0 < float(seconds) <= LEASE
    except ValueError:
        return False


def _choose(rules: ScriptRules, names: Words, arguments: Words) -> bool:
    category = arguments[0].decode("ascii", "replace") if arguments else ""
    return (
        category in CATEGORIES
        and list(names) == [keys.intermediate(category).encode()]
        and len(arguments) == _CHOOSE
        and arguments[12] in (b"", rules.worker)
    )


def _put_back(rules: ScriptRules, names: Words, arguments: Words) -> bool:
    return (
        len(names) == 1
        and _category(names[0], keys.intermediate) is not None
        and all(map(_is_job, arguments))
    )


def _claim(rules: ScriptRules, names: Words, arguments: Words) -> bool:
    if len(names) != 4 or len(arguments) != 13:
        return False
    category = _category(names[1], keys.intermediate)
    if category is None or not _is_job(arguments[0]) or not _is_execution(arguments[1]):
        return False
    job_id = arguments[0].decode(errors="surrogateescape")
    wanted = (keys.job(job_id), keys.intermediate(category), keys.started(category), keys.cancelled(category))
    given = (keys.waits(category), keys.MODEL_USES, keys.MODEL_USED, category)
    return (
        list(names) == [_bytes(each) for each in wanted]
        and list(arguments[9:]) == [_bytes(each) for each in given]
        and arguments[2] in rules.names
        and _is_lease(arguments[3])
        and tuple(arguments[6:8]) == rules.ttls
        and is_event(arguments[8])
    )


def _emit(rules: ScriptRules, names: Words, arguments: Words) -> bool:
    return (
        not names
        and len(arguments) % 4 == 0
        and all(map(_is_job, arguments[::4]))
        and all(map(_is_execution, arguments[1::4]))
        and all(number.isdigit() for number in arguments[2::4])
        and all(map(is_event, arguments[3::4]))
    )


def _finish(rules: ScriptRules, names: Words, arguments: Words) -> bool:
    if len(names) != 4 or len(arguments) < 12 or len(arguments) % 2:
        return False
    category, end = _category(names[1], keys.started), _ENDS.get(bytes(arguments[2]))
    if category is None or end is None or not _is_job(arguments[0]) or not _is_execution(arguments[1]):
        return False
    job_id = arguments[0].decode(errors="surrogateescape")
    wanted = (keys.job(job_id), keys.started(category), end(category), keys.results(job_id))
    return (
        list(names) == [_bytes(each) for each in wanted]
        and tuple(arguments[4:6]) == rules.ttls
        and is_event(arguments[6])
        and len(arguments[7]) <= _LONGEST_TEXT
        and len(arguments[8]) <= _LONGEST_TEXT
        and _OUTPUTS.fullmatch(arguments[9]) is not None
        and _COUNTED.fullmatch(arguments[10]) is not None
        and (not arguments[11] or arguments[11].isdigit())
    )


def _release(rules: ScriptRules, names: Words, arguments: Words) -> bool:
    return (
        len(names) == 1
        and _category(names[0], keys.started) is not None
        and len(arguments) == 4
        and _is_job(arguments[0])
        and _is_execution(arguments[1])
        and is_event(arguments[2])
        and len(arguments[3]) <= _LONGEST_ID
    )


def _beat(rules: ScriptRules, names: Words, arguments: Words) -> bool:
    return (
        len(names) == 1
        and _category(names[0], keys.started) is not None
        and len(arguments) % 2 == 1
        and _is_lease(arguments[0])
        and all(map(_is_job, arguments[3::2]))
        and all(map(_is_execution, arguments[4::2]))
    )


def _yield(rules: ScriptRules, names: Words, arguments: Words) -> bool:
    return (
        len(names) == 1
        and _category(names[0], keys.started) is not None
        and len(arguments) == 2
        and _is_job(arguments[0])
        and _is_execution(arguments[1])
    )


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


_RULES: Mapping[str, Rule] = {
    "beat": _beat,
    "choose": _choose,
    "claim": _claim,
    "emit": _emit,
    "finish": _finish,
    "put_back": _put_back,
    "release": _release,
    "yield": _yield,
}
