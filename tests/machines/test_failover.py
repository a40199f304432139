"""Redis at an address that leads to its primary: a replica takes its place, and jobs that were accepted go on."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from mlxq.launch.redis_binary import find_binary
from tests.machines.relay import Relay
from tests.machines.site import Site

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

PASSWORD = "secret of redis"


class Replica:
    """A second Redis, which copies that of a site."""

    def __init__(self, folder: Path, line: Relay) -> None:
        self.socket = folder / "replica.sock"
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "dir": str(folder),
            "save": "",
            "requirepass": PASSWORD,
            "masterauth": PASSWORD,
            "repl-diskless-sync-delay": "0",
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        command = [find_binary().path, *arguments, "--replicaof", "127.0.0.1", str(line.ports[0])]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.client: redis.Redis = redis.Redis(unix_socket_path=str(self.socket), password=PASSWORD)

    def is_there(self) -> bool:
        """Whether it has a copy."""
        try:
            told: Any = self.client.info("replication")
            return bool(told.get("master_link_status") == "up")
        except redis.RedisError:
            return False

    def lead(self) -> None:
        """Take the place of the primary."""
        self.client.replicaof("NO", "ONE")

    def stop(self) -> None:
        self.client.close()
        self._process.kill()
        self._process.wait()


@pytest.fixture
def replica(make_site: Callable[..., Site], tmp_path: Path) -> Iterator[tuple[Site, Relay, Replica]]:
    """A site whose processes know an address, to which a password belongs; that address; and the replica."""
    site = make_site(BATCH_SIZE=2, password=PASSWORD)
    assert site.entrance is not None
    with Relay(site.redis.plan.socket) as line:
        replica = Replica(tmp_path, line)
        try:
            yield site, site.entrance, replica
        finally:
            replica.stop()


def test_accepted_jobs_go_on_after_a_failover(replica: tuple[Site, Relay, Replica], tmp_path: Path) -> None:
    site, entrance, second = replica
    hold = tmp_path / "go"
    site.add("one")
    site.wait_ready()
    site.wait_until(second.is_there, "the replica does not copy")
    jobs = [site.send(hold=hold) for _ in range(6)]
    site.wait_until(lambda: len(site.running()) == 2, "two of them do not run")
    # What was written is there, too.
    assert site.connection.wait(1, 20_000) == 1
    site.redis.kill()
    second.lead()
    entrance.lead_to(second.socket)
    site.connection.close()
    site.connection = second.client
    hold.touch()
    site.check_once(jobs, 3)
