"""Which scripts of the gate a joined worker may run, and with which keys and arguments.

A script trusts its arguments. Here they are held against those of `jobs/gate/consumer.py`, so that a worker reaches
nothing but the queues, and jobs whose executions it has. Whether it has one, a script finds out itself: the id of an
execution is known to nobody but who has claimed it.
"""

import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha1
from typing import TypeAlias

import msgspec

from config.settings import Settings
from jobs import keys
from jobs.errors import ErrorFields
from jobs.gate import LEASE, Ttl
from jobs.gate.scripts import script
from jobs.metrics import FIGURES
from jobs.protocol import SCRIPTS
from mlxq.gateway.command_rules import CATEGORIES, own_names
from mlxq.gateway.events import is_event
from mlxq.gateway.sessions import Joined

Words: TypeAlias = Sequence[bytes]
Rule: TypeAlias = Callable[["ScriptRules", Words, Words], bool]

_EXECUTION = re.compile(rb"[0-9a-f]{32}")
#: Digits of the number of an event.
_DIGITS = 9
#: Arguments of `choose.lua`; the 13th is the worker.
_CHOOSE = 16
_LONGEST_ID, _LONGEST_TEXT = 256, 1 << 20
#: Files that a result may name: what a job made.
_OUTPUTS = re.compile(rb"(?:blob-[0-9a-f]{32}-[0-9a-f]{64}(?: |$))*")
#: What is counted of a result. The sums of all results must stay numbers that Redis can count with.
_COUNTED = re.compile(rf"(?:(?:{'|'.join(FIGURES)}) [0-9]{{1,9}}(?: |$))*".encode())
_MILLISECONDS = re.compile(rb"(?:[0-9]{1,12})?")
_NUMBER = re.compile(rb"-?[0-9]{1,15}(?:\.[0-9]{1,17})?(?:e-[0-9]{1,2})?")
#: As RQ's tools read it.
_TIME = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
#: Registries of ends, and how their events begin.
_ENDS: Mapping[bytes, tuple[Callable[[str], str], bytes]] = {
    b"finished": (keys.finished, b'{"type":"completed","result":'),
    b"failed": (keys.failed, b'{"type":"failed",'),
    b"canceled": (keys.cancelled, b'{"type":"cancelled"}'),
}
#: Numbers among the arguments of `choose.lua`, and the largest that two of them may be: each is a loop.
_CHOOSE_NUMBERS = (1, 2, 5, 6, 9, 10, 13, 14, 15)
_MOST_TAKEN, _MOST_SEEN = 4096, 256
#: By the SHA-1 of each.
_NAMES = {script(name)[1].encode(): name for name in SCRIPTS}


class ScriptRules:
    """Of one session. Every argument is valid UTF-8: the filter has looked."""

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


def _is_number(text: bytes, most: float = 1e18) -> bool:
    return _NUMBER.fullmatch(text) is not None and float(text) <= most


def _is_time(text: bytes) -> bool:
    return _TIME.fullmatch(text) is not None


def _are_names(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=list[str])
    except (msgspec.MsgspecError, RecursionError):
        return False
    return len(text) <= _LONGEST_TEXT


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
        and all(_is_number(arguments[place]) for place in _CHOOSE_NUMBERS)
        and _is_number(arguments[1], _MOST_TAKEN)
        and _is_number(arguments[2], _MOST_SEEN)
        and (not arguments[3] or _are_names(arguments[3]))
        and _are_names(arguments[4])
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
    job_id = arguments[0].decode()
    wanted = (keys.job(job_id), keys.intermediate(category), keys.started(category), keys.cancelled(category))
    given = (keys.waits(category), keys.MODEL_USES, keys.MODEL_USED, category)
    return (
        list(names) == [each.encode() for each in wanted]
        and list(arguments[9:]) == [each.encode() for each in given]
        and arguments[2] in rules.names
        and _is_lease(arguments[3])
        and _is_time(arguments[4])
        and _is_number(arguments[5])
        and tuple(arguments[6:8]) == rules.ttls
        and is_event(arguments[8])
    )


def _emit(rules: ScriptRules, names: Words, arguments: Words) -> bool:
    return (
        not names
        and len(arguments) % 4 == 0
        and all(map(_is_job, arguments[::4]))
        and all(map(_is_execution, arguments[1::4]))
        and all(number.isdigit() and len(number) <= _DIGITS for number in arguments[2::4])
        and all(map(is_event, arguments[3::4]))
    )


def _finish(rules: ScriptRules, names: Words, arguments: Words) -> bool:
    if len(names) != 4 or len(arguments) < 12 or len(arguments) % 2:
        return False
    category, end = _category(names[1], keys.started), _ENDS.get(bytes(arguments[2]))
    if category is None or end is None or not _is_job(arguments[0]) or not _is_execution(arguments[1]):
        return False
    job_id = arguments[0].decode()
    registry, beginning = end
    wanted = (keys.job(job_id), keys.started(category), registry(category), keys.results(job_id))
    return (
        list(names) == [each.encode() for each in wanted]
        and _is_time(arguments[3])
        and tuple(arguments[4:6]) == rules.ttls
        and arguments[6].startswith(beginning)
        and is_event(arguments[6])
        and len(arguments[7]) <= _LONGEST_TEXT
        and (not arguments[8] or _is_error(arguments[8]))
        and _OUTPUTS.fullmatch(arguments[9]) is not None
        and _COUNTED.fullmatch(arguments[10]) is not None
        and _MILLISECONDS.fullmatch(arguments[11]) is not None
        and _is_result(rules, arguments, arguments[6][len(beginning) : -1])
    )


def _is_error(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=ErrorFields)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return len(text) <= _LONGEST_TEXT


def _is_result(rules: ScriptRules, arguments: Words, value: bytes) -> bool:
    """Whether RQ's record tells what the last event tells, `value`. RQ's tools may read a value by pickle."""
    fields = dict(zip(arguments[12::2], arguments[13::2], strict=True))
    if len(arguments) - 12 != 2 * len(fields):
        return False
    returned, exception = fields.pop(b"return_value", None), fields.pop(b"exc_string", None)
    return (
        fields.keys() == {b"type", b"worker_name", b"execution_id"}
        and fields[b"type"] in (b"1", b"2", b"3")
        and fields[b"worker_name"] in rules.names
        and fields[b"execution_id"] == arguments[1]
        and (returned is None or returned == b64encode(value))
        and (exception is None or _tells(exception, arguments[7]))
    )


def _tells(packed: bytes, text: bytes) -> bool:
    """Whether this is what RQ makes of the text."""
    try:
        return zlib.decompressobj().decompress(b64decode(packed, validate=True), len(text) + 1) == text
    except (ValueError, zlib.error):
        return False


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
        and _is_time(arguments[1])
        and _is_number(arguments[2])
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
