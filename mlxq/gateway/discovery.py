"""Bonjour: the gateway says that it is there, and a worker looks for it. It needs the extra `join` (zeroconf).

What is found is no proof of anything: the key has the fingerprint of the right server's certificate.
"""


class NoDiscovery(Exception):
    """No server was found; the message is for the user."""


def find() -> str:
    """The address of the gateway that answers first. Raises NoDiscovery."""
    raise NoDiscovery("no server was found: give its address, as `mlxq worker --join mac-studio.local`")
