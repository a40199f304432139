"""The addresses at which other machines reach the server, by its settings and this machine's network."""

import socket
from ipaddress import ip_address

from api.http.callers.caller import address_of
from api.http.middleware.security import listens_everywhere
from config.settings import Settings


def reached_at(settings: Settings) -> list[str]:
    """URLs, that of `PUBLIC_URL` first. IPv6 addresses of the machine are left out: they are no help to type."""
    public = [f"{settings.public_url}/"] if settings.public_url else []
    return public + [f"http://{host}:{settings.port}/" for host in _hosts(settings.host)]


def _hosts(host: str) -> list[str]:
    if listens_everywhere(host):
        return _own()
    address = address_of(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return []
    return [f"[{host}]" if ":" in host else host]


def _own() -> list[str]:
    """IPv4 addresses of network interfaces that are up, private ones first."""
    import psutil

    running = {name for name, state in psutil.net_if_stats().items() if state.isup}
    every = (
        ip_address(each.address)
        for name, addresses in psutil.net_if_addrs().items()
        if name in running
        for each in addresses
        if each.family == socket.AF_INET
    )
    usable = [address for address in every if not address.is_loopback and not address.is_link_local]
    return [str(address) for address in sorted(usable, key=lambda address: not address.is_private)]
