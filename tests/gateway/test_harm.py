"""What a joined worker says of itself and of its jobs can't fail the processes that read it."""

import asyncio
import socket
import ssl
import threading
import uuid
from base64 import b64encode
from typing import Any

import pytest
import redis
from redis.exceptions import NoPermissionError

from config.settings import Settings
from jobs import keys
from jobs.consumer.outbox import Outbox
from jobs.errors import InvalidRequest
from jobs.gate import AsyncGate, Ending, Gate, Ttl
from jobs.gate.scripts import script
from tests.support.gateway import Gateway, session_of
from tests.support.jobs import request
from tests.support.payloads import made

pytestmark = pytest.mark.anyio

TTL = Ttl.of(Settings())
NO_TEXT = b"\xff\xfe"
DONE = made({"text": "hello"})


def line(host: str) -> list[Any]:
    return ["t", "1.5", "l", "INFO", "p", f"worker {host}", "m", "ready"]


def test_what_it_says_of_itself_has_the_shape_that_readers_expect(
    worker: redis.Redis, joined: Settings, name: str
) -> None:
    entry, state, inventory = keys.worker(f"{name}.llm"), keys.worker_state(name), keys.inventory(name)
    host = session_of(joined).host
    log = ["XADD", keys.LOGS, "MAXLEN", 2000, "*"]
    forbidden: list[list[Any]] = [
        ["HSET", entry, "queues", NO_TEXT],
        ["HSET", entry, "queues", "x" * 1000],
        ["EXPIRE", entry, 10**6],
        ["SET", state, NO_TEXT, "EX", 6],
        ["SET", state, "x" * (2 << 20), "EX", 6],
        # Scripts read a hash there.
        ["SET", inventory, "{}", "EX", 6],
        ["HSET", inventory, "model", "x" * (2 << 20)],
        ["HSET", keys.PACES, f"{host} model", NO_TEXT],
        ["PUBLISH", keys.COMMANDS, f"load llm {name} ".encode() + NO_TEXT],
        [*log, *line(host)[:-1], NO_TEXT],
        [*log, *line("another")],
        [*log, *line(host)[2:], "x", "y"],
        [*log, "t", "now", *line(host)[2:]],
    ]
    for command in forbidden:
        with pytest.raises(NoPermissionError):
            worker.execute_command(*command)  # type: ignore[no-untyped-call]
    allowed: list[list[Any]] = [
        ["HSET", entry, "queues", "llm", "state", "idle"],
        ["EXPIRE", entry, 60],
        ["SET", state, "{}", "EX", 6],
        ["HSET", inventory, "modèle", "{}"],
        ["HSET", keys.PACES, f"{host} model", "{}"],
        ["PUBLISH", keys.COMMANDS, f"load llm {name} modèle"],
        [*log, *line(host)],
        ["HDEL", keys.PACES, f"{host} model"],
        ["DEL", entry, state, inventory],
    ]
    for command in allowed:
        worker.execute_command(*command)  # type: ignore[no-untyped-call]


EVENTS = [
    b'{"type":"delta","index":0,"text":"\xff"}',
    b'{"type":"delta","index":"zero","text":""}',
    b'{"type":"unheard"}',
    b'{"type":"progress","done":"all","total":1}',
    b'{"type":"delta","index":0,"text":"","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"type":"preview","index":0,"step":1,"artifact":0,"blob":"stored-0","content_type":"image/png"}',
    b'{"type":"preview","index":0,"step":1,"artifact":0,"blob":"blob-%s-%s","content_type":"a/b\\r\\nc: d"}'
    % (b"0" * 32, b"0" * 64),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event[:40].decode(errors="replace"))
async def test_events_that_nobody_can_read_are_refused(
    gate: Gate, front: AsyncGate, gateway: Gateway, worker: redis.Redis, event: bytes
) -> None:
    job_id, execution = await claimed(gate, front)
    before = gateway.client.xlen(keys.events(job_id))
    with pytest.raises(NoPermissionError):
        worker.evalsha(script("emit")[1], 0, job_id, execution, 1, event)
    assert gateway.client.xlen(keys.events(job_id)) == before
    assert not gate.write([], [Ending(job_id, execution, result=DONE)])


async def test_an_end_says_what_rqs_tools_and_the_counts_can_take(
    gate: Gate, front: AsyncGate, gateway: Gateway, worker: redis.Redis
) -> None:
    """A value that RQ's tools would unpickle, a number that no other could be added to, an error that is none."""
    job_id, execution = await claimed(gate, front)
    call = gate._finish_call(Ending(job_id, execution, result=DONE))
    failed = gate._finish_call(Ending(job_id, execution, error=InvalidRequest("No.")))
    place = call.arguments.index("return_value") + 1
    tried = [
        (call, place, b64encode(b"cos\nsystem\n(S'id'\ntR.")),
        (call, 3, "tomorrow"),
        (call, 10, f"completion_tokens {2**63 - 1}"),
        (call, 10, "unheard_of 1"),
        (call, 11, "9" * 400),
        (failed, 8, "no JSON"),
        (failed, failed.arguments.index("exc_string") + 1, b64encode(b"x")),
        (failed, 6, '{"type":"completed","result":{}}'),
    ]
    for which, where, value in tried:
        arguments = [*which.arguments[:where], value, *which.arguments[where + 1 :]]
        with pytest.raises(NoPermissionError):
            worker.evalsha(script("finish")[1], len(which.names), *which.names, *arguments)
    assert not gate.write([], [Ending(job_id, execution, error=InvalidRequest("No: é"))])
    assert gateway.client.hget(keys.job(job_id), "status") == b"failed"


async def test_a_refused_result_does_not_hold_up_those_behind_it(
    gate: Gate, front: AsyncGate, gateway: Gateway
) -> None:
    """Its job fails: the gateway would refuse it however often it came."""
    jobs = [await claimed(gate, front) for _ in range(2)]
    ended = threading.Semaphore(0)
    outbox = Outbox(gate, on_lost=lambda _: None, on_ended=lambda *_: ended.release())
    outbox.start()
    too_long = InvalidRequest("x" * (2 << 20))
    for (job_id, execution), error in zip(jobs, (too_long, InvalidRequest("No.")), strict=True):
        outbox.put([Ending(job_id, execution, error=error)])
        assert await asyncio.to_thread(ended.acquire, timeout=60)
    outbox.stop(1.0)
    told = [gateway.client.hget(keys.job(job_id), "exc_info") for job_id, _ in jobs]
    assert told == [b"The model's result could not be written.", b"No."]


async def claimed(gate: Gate, front: AsyncGate) -> tuple[str, str]:
    asked = request()
    await front.admit(asked, 10)
    (job_id,) = gate.take(1) or [""]
    execution = uuid.uuid4().hex
    assert gate.claim([(job_id, execution)])
    return job_id, execution


@pytest.mark.parametrize("side", [0, 1], ids=["http", "redis"])
def test_both_ports_speak_tls_1_3_only(gateway: Gateway, side: int) -> None:
    context = ssl._create_unverified_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", gateway.port + side), 20) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
        context.wrap_socket(plain),
    ):
        pass
