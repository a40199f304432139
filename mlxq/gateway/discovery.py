"""Bonjour: the gateway says that it is there, and a worker looks for it. It needs the extra `join` (zeroconf).

What is found is no proof of anything: a worker compares the certificate with the fingerprint in its key. With a key,
only the server that made it is looked for.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

import psutil

from config import VERSION

if TYPE_CHECKING:
    from zeroconf.asyncio import AsyncZeroconf

log = logging.getLogger(__name__)

_TYPE = "_mlxq._tcp.local."
#: Seconds for which a server is looked for, and for the answer of one that was found.
_PATIENCE, _ANSWER = 5.0, 2.0
_EXTRA = "`pip install 'mlxq[join]'` lets machines find each other"


class NoDiscovery(Exception):
    """No server was found; the message is for the user."""


@contextlib.asynccontextmanager
async def announced(host: str, port: int, fingerprint: str) -> AsyncIterator[None]:
    """The gateway can be found while the body runs, where the extra is installed and the network lets it."""
    addresses = _addresses(host)
    try:
        from zeroconf import ServiceInfo
    except ImportError:
        log.info("workers have to know the address of this machine; %s", _EXTRA)
        addresses = []
    zeroconf: AsyncZeroconf | None = None
    if addresses:
        # Two machines may have the same name, but no two certificates.
        name = f"{socket.gethostname().split('.')[0][:40]}-{fingerprint[:8]}"
        info = ServiceInfo(
            _TYPE,
            f"{name}.{_TYPE}",
            port=port,
            addresses=[socket.inet_aton(address) for address in addresses],
            properties={"fingerprint": fingerprint, "version": VERSION},
            server=f"{name}.local.",
        )
        try:
            zeroconf = _open(addresses)
            await zeroconf.async_register_service(info)
        except Exception as error:  # the network or another program has its reasons
            log.warning("this machine can't be found by Bonjour (%s)", type(error).__name__)
    try:
        yield
    finally:
        if zeroconf is not None:
            with contextlib.suppress(Exception):
                await zeroconf.async_unregister_all_services()
            await zeroconf.async_close()


def find(fingerprint: str = "", addresses: Sequence[str] | None = None, patience: float = _PATIENCE) -> str:
    """The address of the gateway with this certificate, or of the first that answers. Raises NoDiscovery.

    `addresses`: of the network interfaces that are asked; None: all.
    """
    try:
        import zeroconf  # noqa: F401
    except ImportError:
        raise NoDiscovery(f"{_EXTRA}; else give the address: `mlxq worker --join mac-studio.local`") from None
    found = asyncio.run(_find(fingerprint, addresses or _addresses("0.0.0.0"), patience))
    if found is None:
        raise NoDiscovery("no server was found: give its address, as `mlxq worker --join mac-studio.local`")
    return found


async def _find(fingerprint: str, addresses: Sequence[str], patience: float) -> str | None:
    from zeroconf import ServiceStateChange, Zeroconf
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo

    names: asyncio.Queue[str] = asyncio.Queue()

    def changed(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is not ServiceStateChange.Removed:
            names.put_nowait(name)

    zeroconf = _open(addresses)
    browser = AsyncServiceBrowser(zeroconf.zeroconf, _TYPE, handlers=[changed])
    try:
        async with asyncio.timeout(patience):
            while True:
                info = AsyncServiceInfo(_TYPE, await names.get())
                if not await info.async_request(zeroconf.zeroconf, _ANSWER * 1000) or info.port is None:
                    continue
                theirs = info.properties.get(b"fingerprint") or b""
                if fingerprint and theirs != fingerprint.encode():
                    continue
                for address in info.parsed_addresses():
                    return f"https://{f'[{address}]' if ':' in address else address}:{info.port}"
    except TimeoutError:
        return None
    finally:
        await browser.async_cancel()
        await zeroconf.async_close()


def _open(addresses: Sequence[str]) -> "AsyncZeroconf":
    """Raises OSError."""
    from zeroconf import IPVersion
    from zeroconf.asyncio import AsyncZeroconf

    return AsyncZeroconf(interfaces=list(addresses), ip_version=IPVersion.V4Only)


def _addresses(host: str) -> list[str]:
    """The IPv4 addresses at which a gateway that listens on `host` is reached."""
    with contextlib.suppress(ValueError):
        address = ip_address(host)
        if not address.is_unspecified:
            return [host] if address.version == 4 else []
    running = {name for name, state in psutil.net_if_stats().items() if state.isup}
    every = [
        each.address
        for name, found in psutil.net_if_addrs().items()
        if name in running
        for each in found
        if each.family == socket.AF_INET
    ]
    return [address for address in every if not ip_address(address).is_loopback]
