"""A server of S3 buckets, moto, in a process of its own: what it holds is not in the memory of the tests."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

#: It ends with its standard input.
_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""


@contextlib.contextmanager
def bucket_server() -> Iterator[str]:
    """Its address, which is in the environment under the names of AWS' tools, with credentials."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process, pytest.MonkeyPatch.context() as patch:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        patch.setenv("AWS_ENDPOINT_URL", url)
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_REGION", "us-east-1")
        yield url


def make_bucket(url: str, name: str) -> str:
    """A new bucket's address, as BLOB_URL has it."""
    httpx.put(f"{url}/{name}", timeout=30).raise_for_status()
    return f"s3://{name}/some/folder"
