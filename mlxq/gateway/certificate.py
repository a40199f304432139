"""The certificate of the gateway, which is made on the first run. Nobody signs it: its fingerprint is in every key.

It knows two files. It has no use for time: a clock that is wrong must not keep a worker out.
"""

import contextlib
import fcntl
import os
import secrets
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jobs.session import fingerprint_of

_BEGINNING, _END = datetime(2000, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_NAME = "mlxq gateway"


@dataclass(frozen=True, slots=True)
class Certificate:
    """`secret` is that of the installation: what proves sessions is made of it."""

    certificate: Path
    key: Path
    secret: bytes
    fingerprint: str

    def context(self) -> ssl.SSLContext:
        """For a server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self.certificate, self.key)
        return context


def certificate_of(data_dir: Path) -> Certificate:
    """That of an installation. It is made where there is none. Raises OSError and ValueError."""
    folder = data_dir / "gateway"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate, key, secret = folder / "certificate.pem", folder / "key.pem", folder / "secret"
    with (folder / "lock").open("w") as lock:
        # `mlxq join-key` may come at the same time.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not certificate.exists():
            _make(certificate, key)
        if not secret.exists():
            _write(secret, secrets.token_bytes(32))
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    return Certificate(certificate, key, secret.read_bytes(), fingerprint_of(der))


def _make(certificate: Path, key: Path) -> None:
    # It takes a while to load, and is needed once.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, _NAME)])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_BEGINNING)
        .not_valid_after(_END)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(private, hashes.SHA256())
    )
    _write(
        key,
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
    # The last one: what is there is whole.
    _write(certificate, made.public_bytes(serialization.Encoding.PEM))


def _write(path: Path, data: bytes) -> None:
    """Only the user can read it."""
    new = path.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
