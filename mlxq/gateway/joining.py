"""How a worker joins another machine's server: it finds the gateway, compares its certificate, and sends its key.

The certificate is compared with the fingerprint in the key before anything is sent. It knows nothing of jobs.
"""

import logging
import os
import socket
import ssl
import threading
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec

from config import VERSION
from config.settings import Settings
from jobs.protocol import protocol
from jobs.session import Session, certificate_file, fingerprint_of
from mlxq.gateway import shapes
from mlxq.gateway.join_keys import JoinKey

log = logging.getLogger(__name__)

#: The port of a gateway where an address names none.
USUAL_PORT = 8081
#: Seconds for an answer, between two tries, and between two lines about them.
_TIMEOUT, _RETRY = 10.0, 1.0


class CannotJoin(Exception):
    """No other try can help; the message is for the user."""


class _Away(Exception):
    """Nobody answers there now."""


def join(settings: Settings, stop: threading.Event) -> Settings | None:
    """The settings of the joined worker. Waits for the server; None when `stop` was set before. Raises CannotJoin."""
    text = settings.join_key.get_secret_value() if settings.join_key is not None else ""
    key = JoinKey.parse(text)
    if key is None:
        raise CannotJoin(
            "MLXQ_JOIN_KEY is no key" if text else "a key is needed: `mlxq join-key` at the server makes one"
        )
    told = False
    while not stop.is_set():
        try:
            return _join(settings, key)
        except _Away as error:
            if not told:
                log.warning("waiting for the server at %s (%s)", settings.join_url, error)
            told = True
            stop.wait(_RETRY)
    return None


def _join(settings: Settings, key: JoinKey) -> Settings:
    host, port = _place(settings.join_url)
    certificate = _certificate(host, port)
    if fingerprint_of(certificate) != key.fingerprint:
        raise CannotJoin(
            f"{host}:{port} has another certificate than the server that made this key: it is another server, or "
            "somebody is in between"
        )
    file = certificate_file(settings, key.fingerprint)
    _keep(file, ssl.DER_cert_to_PEM_cert(certificate))
    base = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    known = Session(base, port + 1, "", "", key.fingerprint, file)
    request = shapes.Request(socket.gethostname(), os.getpid(), VERSION, protocol())
    try:
        with httpx.Client(verify=known.context(), timeout=_TIMEOUT, trust_env=False) as client:
            answer = client.post(
                f"{base}/join",
                headers={"authorization": f"Bearer {key}"},
                content=msgspec.json.encode(request),
            )
    except httpx.HTTPError as error:
        raise _Away(type(error).__name__) from error
    welcome = _welcome(answer)
    session = Session(base, welcome.redis_port, welcome.worker, welcome.token, key.fingerprint, file)
    return session.laid_over(settings, {name: welcome.settings[name] for name in shapes.AGREED})


def _welcome(answer: httpx.Response) -> shapes.Welcome:
    if answer.is_server_error:
        raise _Away(f"status {answer.status_code}")
    if answer.is_error:
        try:
            words = str(answer.json()["error"]["message"])
        except (ValueError, LookupError, TypeError):
            words = f"the server answers with the status {answer.status_code}"
        raise CannotJoin(words)
    try:
        return msgspec.json.decode(answer.content, type=shapes.Welcome)
    except msgspec.DecodeError as error:
        raise CannotJoin("what answers there is no gateway of mlxq") from error


def _place(url: str) -> tuple[str, int]:
    """Host and port of the gateway. The API says it, where its address is given and it can be reached."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        return host, parts.port or USUAL_PORT
    try:
        answer = httpx.get(f"{url.removesuffix('/v1')}/v1/join", timeout=_TIMEOUT, trust_env=False)
        if answer.status_code == httpx.codes.OK:
            return host, msgspec.json.decode(answer.content, type=shapes.Place).port
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise CannotJoin(f"the server at {url} takes no workers: start it by `mlxq serve --join`")
    except (httpx.HTTPError, msgspec.DecodeError):
        pass
    # It may listen on its own machine only, and the gateway everywhere.
    return host, USUAL_PORT


def _certificate(host: str, port: int) -> bytes:
    """That of the server, in DER. Nothing but the handshake is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), _TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=host) as link,
        ):
            return link.getpeercert(binary_form=True) or b""
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        raise _Away(type(error).__name__) from error
    except ssl.SSLError as error:
        raise CannotJoin(f"what answers at {host}:{port} is no gateway of mlxq") from error
    except OSError as error:
        raise _Away(error.strerror or type(error).__name__) from error


def _keep(file: Path, text: str) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_suffix(f".{os.getpid()}")
    new.write_text(text)
    new.replace(file)
