"""The filter of a joined worker's commands: what is let through, and what is answered instead of it.

It knows no connections. What is sent on is written anew from what was judged, so that there are no two readers of the
same bytes who may differ.
"""

import codecs
from collections.abc import Iterable

import hiredis

from config.settings import Settings
from jobs.redis.permissions import NOT_JOINED
from mlxq.gateway.command_rules import Rules
from mlxq.gateway.script_rules import ScriptRules
from mlxq.gateway.sessions import Joined

#: Redis itself gives the answer to what is refused: so it comes in its place among the others, and nobody has to read
#: answers on their way.
_REFUSAL = f"return redis.error_reply('NOPERM {NOT_JOINED}: %s')"
_LONGEST_NAME = 32
#: Bytes of a text that are decoded in one go.
_PIECE = 1 << 20


class NoCommand(Exception):
    """What came is no command: the connection must be closed."""


class Filter:
    """Of one session."""

    def __init__(self, joined: Joined, settings: Settings) -> None:
        self._commands = Rules(joined)
        self._scripts = ScriptRules(joined, settings)

    def judge(self, command: object) -> bytes:
        """What is sent to Redis for this command: itself, or what is answered with a refusal. Raises NoCommand."""
        if type(command) is not list or not command or not all(type(each) is bytes for each in command):
            raise NoCommand
        name, arguments = command[0].upper(), command[1:]
        if not _are_texts(arguments):
            allowed = False
        elif name == b"EVALSHA":
            allowed = self._scripts.allow_sha(arguments)
        elif name == b"EVAL":
            allowed = self._scripts.allow_text(arguments)
        else:
            allowed = self._commands.allow(name, arguments)
        if allowed:
            return pack(*command)
        word = name[:_LONGEST_NAME].decode("ascii", "replace")
        shown = "".join(each if each.isalnum() and each.isascii() else "_" for each in word)
        return pack(b"EVAL", (_REFUSAL % shown).encode(), b"0")


def _are_texts(arguments: Iterable[bytes]) -> bool:
    """Whether all are valid UTF-8: what other processes read as text must not fail them."""
    try:
        for each in arguments:
            if not each.isascii():
                decoder = codecs.getincrementaldecoder("utf-8")()
                for place in range(0, len(each), _PIECE):
                    decoder.decode(each[place : place + _PIECE])
                decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def pack(*words: bytes) -> bytes:
    """A command as it is sent."""
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # bytes, too
    return packed
