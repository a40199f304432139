"""Sessions of joined workers: the name that a worker is given, and the token that proves it.

A token is made of the name, the id of the key and the installation's secret: nothing has to be stored, so that a
session outlives restarts of all processes here and the sleep of its machine. It ends when its key is revoked, with an
upgrade to another protocol, and when settings that must agree have changed: the worker then joins anew.
"""

import hashlib
import hmac
import re
import secrets
import socket
from dataclasses import dataclass

from jobs.protocol import protocol

_HOST = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_HOST = 48


@dataclass(frozen=True, slots=True)
class Joined:
    """A session as the gateway knows it: `worker` is the name of the process, `key` the id of its key."""

    worker: str
    key: str

    @property
    def host(self) -> str:
        """The name of its machine, as far as names of workers have it."""
        return self.worker.rsplit(".", 2)[0]


class Sessions:
    def __init__(self, secret: bytes, agreed: bytes) -> None:
        """`agreed`: the settings that must agree, as text."""
        self._secret, self._agreed = secret, hashlib.sha256(agreed).hexdigest()

    def open(self, key_id: str, host: str, pid: int) -> tuple[Joined, str]:
        """A new session and its token."""
        name = _HOST.sub("-", host.split(".")[0])[:_LONGEST_HOST].strip("-") or "mac"
        if name == socket.gethostname():
            # What is known of a machine is found by its name: this one's is not another's to change.
            name += "-joined"
        joined = Joined(f"{name}.{pid}.{secrets.token_hex(4)}", key_id)
        return joined, f"{key_id}.{self._proof(joined)}"

    def find(self, worker: str, token: str) -> Joined | None:
        """The session with this token; its key may have been revoked since. None: it is no token of that worker."""
        key_id, _, proof = token.partition(".")
        joined = Joined(worker, key_id)
        return joined if hmac.compare_digest(proof.encode(), self._proof(joined).encode()) else None

    def _proof(self, joined: Joined) -> str:
        return hmac.digest(
            self._secret, f"{joined.worker}\n{joined.key}\n{protocol()}\n{self._agreed}".encode(), "sha256"
        ).hex()
