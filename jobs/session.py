"""The session of a worker at another machine's server: addresses, its name and token, and the server's certificate.

A joined worker has it in its settings, as the addresses of Redis and of the blobs. Everything that such a worker asks
of the server goes through the server's gateway (mlxq/gateway), whose certificate is known by its fingerprint.
"""

import hashlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from config.settings import Settings

_SCHEME = "https"


@dataclass(frozen=True, slots=True)
class Session:
    """`base`: `https://host:port` of the gateway's HTTP side; `redis_port` is that of its Redis side.

    `worker` is the name of the process, which the gateway has given; `token` proves it: as the password of Redis, and
    as basic authentication of HTTP. `fingerprint` is the SHA-256 of the certificate, which is in `certificate` (PEM).
    """

    base: str
    redis_port: int
    worker: str
    token: str = field(repr=False)
    fingerprint: str
    certificate: Path

    @staticmethod
    def of(settings: Settings) -> "Session | None":
        """That of a joined worker; None for all other processes."""
        parts = urlsplit(settings.blob_url)
        if parts.scheme != _SCHEME:
            return None
        port = parts.port or 443
        return Session(
            f"{_SCHEME}://{parts.netloc.rpartition('@')[2]}",
            urlsplit(settings.redis_url).port or port + 1,
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            parts.fragment,
            certificate_file(settings, parts.fragment),
        )

    @property
    def host(self) -> str:
        """The name of this machine, as the gateway has written it."""
        return self.worker.rsplit(".", 2)[0]

    def laid_over(self, settings: Settings, agreed: dict[str, Any]) -> Settings:
        """The settings of the joined worker. `agreed`: those that the server has given."""
        host = urlsplit(self.base)
        name = f"[{host.hostname}]" if ":" in (host.hostname or "") else host.hostname
        user = f"{self.worker}:{self.token}"
        return settings.model_copy(
            update={
                **agreed,
                "redis_url": f"rediss://{user}@{name}:{self.redis_port}#{self.fingerprint}",
                "blob_url": f"{_SCHEME}://{user}@{host.netloc}#{self.fingerprint}",
            }
        )

    def context(self) -> ssl.SSLContext:
        """For connections to the HTTP side: nothing but this certificate is trusted, whatever name it is under.

        Raises OSError where its file is gone.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cafile=self.certificate)
        return context


def certificate_file(settings: Settings, fingerprint: str) -> Path:
    """Where a joined worker keeps the server's certificate."""
    return settings.data_dir / "joined" / f"{fingerprint}.pem"


def fingerprint_of(certificate: bytes) -> str:
    """That of a certificate in DER."""
    return hashlib.sha256(certificate).hexdigest()
