"""A worker joins with a key, and with nothing else; the server is known by its certificate."""

import contextlib
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest
import redis
from pydantic import SecretStr
from redis.exceptions import AuthenticationError
from starlette.testclient import TestClient

from api.app import create_app
from config.settings import Settings
from jobs import keys
from jobs.protocol import protocol
from jobs.redis.connection import WrongCertificate, connection
from mlxq.cli.program import main
from mlxq.gateway import shapes
from mlxq.gateway.certificate import certificate_of
from mlxq.gateway.join_keys import JoinKey
from mlxq.gateway.joining import CannotJoin, join
from tests.program import Program
from tests.support.gateway import Gateway, session_of


def test_who_joins_gets_a_name_and_the_settings_that_must_agree(gateway: Gateway, tmp_path: Path) -> None:
    joined = gateway.joined(gateway.key(), tmp_path, result_ttl=7, max_attempts=1)
    usual = Settings()
    assert (joined.result_ttl, joined.max_attempts) == (usual.result_ttl, usual.max_attempts)
    assert joined.data_dir == tmp_path
    with connection(joined.redis_address) as client:
        assert client.ping()


def test_no_secret_is_kept_in_redis_or_readable_by_others(gateway: Gateway, tmp_path: Path) -> None:
    key = gateway.key("my laptop")
    joined = gateway.joined(key, tmp_path)
    kept = [gateway.client.dump(name) or b"" for name in gateway.client.keys("mlxq:join*")]
    assert kept
    for secret in (key.secret, session_of(joined).token):
        assert not [each for each in kept if secret.encode() in each]
        assert secret not in repr(joined)
        assert secret not in repr(key)
    folder = gateway.data_dir / "gateway"
    assert {path.name: path.stat().st_mode & 0o077 for path in (folder, *folder.glob("[!l]*"))} == {
        name: 0 for name in ("gateway", "certificate.pem", "key.pem", "secret")
    }


def wrong(key: JoinKey, **changes: str) -> JoinKey:
    return JoinKey(**{"id": key.id, "secret": key.secret, "fingerprint": key.fingerprint, **changes})


def test_another_key_is_refused(gateway: Gateway, tmp_path: Path) -> None:
    key = gateway.key()
    for other in (wrong(key, secret="0" * 32), wrong(key, id="00000000"), wrong(gateway.key(), id=key.id)):
        with pytest.raises(CannotJoin, match="not valid here, or it was revoked"):
            gateway.joined(other, tmp_path)


def test_a_revoked_key_is_refused(gateway: Gateway, tmp_path: Path) -> None:
    key = gateway.key()
    joined = gateway.joined(key, tmp_path)
    gateway.revoke(key)
    with pytest.raises(CannotJoin, match="it was revoked"):
        gateway.joined(key, tmp_path)
    with connection(joined.redis_address) as client, pytest.raises(AuthenticationError):
        client.ping()


def test_a_token_is_good_for_its_own_worker_only(gateway: Gateway, tmp_path: Path) -> None:
    joined = gateway.joined(gateway.key(), tmp_path)
    session = session_of(joined)
    other = joined.redis_url.replace(session.worker, session.worker[:-1] + "x")
    with connection(other) as client, pytest.raises(AuthenticationError):
        client.ping()


def test_nothing_is_sent_to_a_server_with_another_certificate(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The impostor is a thread of this process, and may be slow to greet.
    monkeypatch.setattr("jobs.redis.connection.CONNECT_TIMEOUT", 60.0)
    key = gateway.key()
    with pytest.raises(CannotJoin, match="another certificate than the server that made this key"):
        gateway.joined(wrong(key, fingerprint="0" * 64), tmp_path)
    session = session_of(gateway.joined(key, tmp_path))
    heard = Impostor(certificate_of(tmp_path / "impostor").context())
    with (
        heard.client(session.worker, session.token, session.fingerprint) as client,
        pytest.raises(WrongCertificate),
    ):
        client.ping()
    assert heard.close() == b""


class Impostor:
    """A server with another certificate, which notes what it is sent."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._context = context
        self._heard = b""
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def client(self, worker: str, token: str, fingerprint: str) -> redis.Redis:
        port = self._listener.getsockname()[1]
        return connection(f"rediss://{worker}:{token}@127.0.0.1:{port}#{fingerprint}")

    def _listen(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as link:
                while more := link.recv(1000):
                    self._heard += more

    def close(self) -> bytes:
        # On Linux a close alone does not wake who waits in `accept`.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self._heard


def test_another_version_is_told_in_one_sentence(gateway: Gateway, tmp_path: Path) -> None:
    key = gateway.key()
    context = session_of(gateway.joined(key, tmp_path)).context()
    body = msgspec.json.encode(shapes.Request("mac", 1, "0.1", "0-abc"))
    with httpx.Client(verify=context) as client:
        answer = client.post(f"{gateway.url}/join", headers={"authorization": f"Bearer {key}"}, content=body)
    assert answer.status_code == 409
    assert answer.json()["error"]["message"].endswith("install the same version on both.")
    assert answer.json()["error"]["code"] == "wrong_version"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'{"host": 1}', 400),
        (b'{"host": "\xff"}', 400),
        (b'{"x": ' + b"[" * 4000, 400),
        (b"x" * 5000, 413),
    ],
)
def test_what_is_no_request_to_join_is_refused(
    gateway: Gateway, tmp_path: Path, content: bytes, status: int
) -> None:
    key = gateway.key()
    context = session_of(gateway.joined(key, tmp_path)).context()
    with httpx.Client(verify=context) as client:
        answer = client.post(
            f"{gateway.url}/join", headers={"authorization": f"Bearer {key}"}, content=content
        )
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_a_key_for_joining_opens_nothing_else(
    gateway: Gateway, redis_url: str, clean_redis: redis.Redis
) -> None:
    settings = Settings(redis_url=redis_url, api_keys=(SecretStr("sesame"),), join_port=gateway.port)
    with TestClient(create_app(settings)) as http:
        told = http.get("/v1/join")
        assert told.status_code == 200
        assert told.json()["port"] == gateway.port
        assert told.json()["protocol"] == protocol()
        for headers in ({"authorization": f"Bearer {gateway.key()}"}, {"x-api-key": str(gateway.key())}):
            assert http.get("/v1/models", headers=headers).status_code == 401
    with TestClient(create_app(Settings(redis_url=redis_url))) as http:
        assert http.get("/v1/join").status_code == 404


def test_the_api_tells_a_worker_the_port(
    gateway: Gateway, tmp_path: Path, api_url: Callable[..., str]
) -> None:
    key = SecretStr(str(gateway.key()))
    asked = Settings(join_url=api_url(join_port=gateway.port), join_key=key, data_dir=tmp_path)
    assert join(asked, threading.Event()) is not None
    asked = Settings(join_url=api_url(), join_key=key, data_dir=tmp_path)
    with pytest.raises(CannotJoin, match="takes no workers: start it by `mlxq serve --join`"):
        join(asked, threading.Event())


def test_a_worker_without_a_key_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(CannotJoin, match="`mlxq join-key` at the server makes one"):
        join(Settings(join_url="mac.local", data_dir=tmp_path), threading.Event())
    with pytest.raises(CannotJoin, match="is no key"):
        join(
            Settings(join_url="mac.local", join_key=SecretStr("sesame"), data_dir=tmp_path), threading.Event()
        )


def test_a_gateway_is_no_server_of_what_is_not_its_own(gateway: Gateway, tmp_path: Path) -> None:
    context = session_of(gateway.joined(gateway.key(), tmp_path)).context()
    with httpx.Client(verify=context, base_url=gateway.url) as client:
        assert client.get("/v1/models").status_code == 404
        assert client.get("/join").json()["redis_port"] == gateway.port + 1


def test_nothing_listens_unless_it_is_asked_for(tmp_path: Path) -> None:
    program = Program([sys.executable, "-m", "mlxq.gateway"], {"MLXQ_DATA_DIR": str(tmp_path)})
    program.line("JOIN_PORT is not set: no worker of another machine may join")
    assert program.wait() == 2
    assert not (tmp_path / "gateway").exists()


def test_keys_are_made_listed_and_revoked_in_the_terminal(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in gateway.environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str]:
        return main(["join-key", *arguments]), capsys.readouterr().out.strip()

    status, made = run("--name", "my laptop")
    key = JoinKey.parse(made)
    assert status == 0
    assert key is not None
    assert gateway.client.hexists(keys.JOIN_KEYS, key.id)
    status, lines = run("--list")
    assert [line for line in lines.splitlines() if key.id in line and "my laptop" in line]
    assert key.secret not in lines
    assert run("--revoke", key.id) == (0, f"The key {key.id} is revoked.")
    assert run("--revoke", key.id)[0] == 1
    assert not gateway.client.hexists(keys.JOIN_KEYS, key.id)
