"""What a joined worker may not do: it is refused, changes nothing, and the answers stay in their order."""

import socket
import ssl
import uuid
from typing import Any

import pytest
import redis
from redis.exceptions import NoPermissionError, RedisError

from config.settings import Settings
from jobs import keys
from jobs.gate import AsyncGate, Emission, Ending, Gate, Ttl
from jobs.gate.scripts import script
from tests.support.events import EventType, encode_event
from tests.support.gateway import Gateway
from tests.support.jobs import request
from tests.support.payloads import made

pytestmark = pytest.mark.anyio

TTL = Ttl.of(Settings())
DONE = made({"text": "hello"})


@pytest.fixture
def local(gateway: Gateway) -> Gate:
    """That of a worker of the server's own machine."""
    return Gate(gateway.client, "llm", "local.1.llm", TTL)


def take(gate: Gate) -> tuple[str, str]:
    """The job that is next, and its execution."""
    (job_id,) = gate.take(1) or [""]
    execution = uuid.uuid4().hex
    (claim,) = gate.claim([(job_id, execution)])
    assert claim.job_id == job_id
    return job_id, execution


def delta(text: str = "hello") -> bytes:
    return encode_event(EventType.DELTA, index=0, text=text)


FORBIDDEN: list[tuple[Any, ...]] = [
    ("GET", "mlxq:workers"),
    ("KEYS", "*"),
    ("SCAN", 0),
    ("RANDOMKEY",),
    ("FLUSHALL",),
    ("CONFIG", "GET", "*"),
    ("INFO",),
    ("MONITOR",),
    ("CLIENT", "LIST"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("ACL", "LIST"),
    ("DEBUG", "SLEEP", "0"),
    ("SCRIPT", "FLUSH"),
    ("SELECT", "1"),
    ("SHUTDOWN",),
    ("DUMP", "mlxq:join-keys"),
    ("HGETALL", keys.JOIN_KEYS),
    ("HGETALL", keys.PACES),
    ("HSCAN", keys.PACES, 0, "MATCH", "*", "COUNT", 10),
    ("HSCAN", keys.PACES, 0, "MATCH", "x", "COUNT", 10, "NOVALUES"),
    ("HSET", keys.JOIN_KEYS, "a", "{}"),
    ("HSET", keys.SETTINGS, "log_level", '"DEBUG"'),
    ("HSET", keys.PACES, "other model", "{}"),
    ("HSET", "mlxq:inventory:other", "a", "b"),
    ("SET", "mlxq:worker:other", "{}", "EX", 6),
    ("SET", keys.RESTING, "other", "EX", 6),
    ("DEL", "mlxq:worker:other"),
    ("SADD", keys.WORKER_STATES, "other"),
    ("SREM", keys.WORKERS, "rq:worker:other"),
    ("LPOP", keys.QUESTIONS),
    ("LPOP", keys.questions("other")),
    ("PUBLISH", keys.bus("api"), '[["chatcmpl-1","1-0",{"type":"cancelled"}]]'),
    (
        "PUBLISH",
        keys.bus("api"),
        f'[["question-{"0" * 24}","1-0",{{"type":"x"}}],["a","1-0",{{"type":"x"}}]]',
    ),
    ("LPOP", keys.GARBAGE, 10),
    ("LRANGE", keys.intermediate("llm"), 0, -1),
    ("RPUSH", keys.bell("download"), "1"),
    ("BLMOVE", keys.bell("llm"), "elsewhere", "LEFT", "LEFT", 1),
    ("BLMOVE", keys.line("llm", "normal", "-"), keys.bell("llm"), "LEFT", "LEFT", 1),
    ("PUBLISH", keys.COMMANDS, "shutdown"),
    ("PUBLISH", keys.COMMANDS, "load llm other model"),
    ("PUBLISH", keys.bus("api"), "[]"),
    ("SUBSCRIBE", keys.bus("api")),
    ("SUBSCRIBE", keys.COMMANDS),
    ("SUBSCRIBE", keys.commands("other")),
    ("PSUBSCRIBE", "*"),
    ("XRANGE", keys.LOGS, "-", "+"),
    ("XADD", keys.LOGS, "*", "m", "x"),
    ("RPUSH", keys.answers("../" + "0" * 13), "x"),
    ("EVAL", "return redis.call('KEYS', '*')", 0),
    ("EVAL", script("admit")[0], 0),
    ("EVALSHA", script("admit")[1], 0),
    ("EVALSHA", script("recover")[1], 0),
    ("EVALSHA", script("cancel")[1], 0),
    ("EVALSHA", "0" * 40, 0),
    ("EVALSHA", script("beat")[1], -1),
    ("EVALSHA", script("beat")[1], 99),
]


@pytest.mark.parametrize("command", FORBIDDEN, ids=lambda command: " ".join(map(str, command))[:60])
def test_what_is_no_workers_business_is_refused(worker: redis.Redis, command: tuple[Any, ...]) -> None:
    with pytest.raises(NoPermissionError):
        worker.execute_command(*command)  # type: ignore[no-untyped-call]
    assert worker.ping()


def test_refusals_come_in_their_place_among_the_answers(
    worker: redis.Redis, gateway: Gateway, name: str
) -> None:
    with worker.pipeline(transaction=False) as pipe:
        for _ in range(50):
            pipe.ping()
            pipe.execute_command("GET", keys.SETTINGS)  # type: ignore[no-untyped-call]
            pipe.exists(keys.worker_state(name))
        answers = pipe.execute(raise_on_error=False)
    assert answers[::3] == [True] * 50
    assert answers[2::3] == [0] * 50
    assert {type(answer) for answer in answers[1::3]} == {NoPermissionError}


def test_a_transaction_has_no_way_around_it(worker: redis.Redis, gateway: Gateway, name: str) -> None:
    with worker.pipeline(transaction=True) as pipe:
        pipe.set(keys.worker_state(name), "{}", ex=6)
        pipe.set("mlxq:worker:other", "{}", ex=6)
        with pytest.raises(NoPermissionError):
            pipe.execute()
    assert not gateway.client.exists("mlxq:worker:other")


async def test_a_worker_takes_runs_and_ends_a_job(gate: Gate, front: AsyncGate, gateway: Gateway) -> None:
    asked = request()
    await front.admit(asked, 10)
    job_id, execution = take(gate)
    assert job_id == asked.id
    assert gate.beat([(job_id, execution)]) == (set(), set(), set())
    emission = Emission(job_id, execution, 1, delta())
    assert not gate.write([emission], [Ending(job_id, execution, result=DONE)])
    assert gateway.client.hget(keys.job(job_id), "status") == b"finished"


async def test_a_job_of_another_worker_is_out_of_reach(
    gate: Gate, local: Gate, front: AsyncGate, gateway: Gateway, worker: redis.Redis
) -> None:
    asked = request()
    await front.admit(asked, 10)
    job_id, own = take(local)
    for command in (
        ("HGETALL", keys.job(job_id)),
        ("HGET", keys.job(job_id), "data"),
        ("XRANGE", keys.events(job_id), "-", "+"),
        ("ZRANGE", keys.started("llm"), 0, -1),
        ("HGETALL", keys.execution(job_id, own)),
    ):
        with pytest.raises(NoPermissionError):
            worker.execute_command(*command)  # type: ignore[no-untyped-call]
    guessed = uuid.uuid4().hex
    before = gateway.client.xlen(keys.events(job_id))
    assert gate.claim([(job_id, guessed)]) == []
    assert gate.write([Emission(job_id, guessed, 1, delta())], []) == {guessed}
    assert gate.write([], [Ending(job_id, guessed, result=DONE)]) == {guessed}
    assert not gate.release(job_id, guessed)
    assert not gate.yield_place(job_id, guessed)
    assert gate.beat([(job_id, guessed)])[0] == {guessed}
    assert gateway.client.xlen(keys.events(job_id)) == before
    assert gateway.client.hget(keys.job(job_id), "status") == b"started"
    assert not local.write([], [Ending(job_id, own, result=DONE)])


async def test_arguments_of_scripts_are_those_of_a_worker(
    gate: Gate, front: AsyncGate, gateway: Gateway, worker: redis.Redis, name: str
) -> None:
    """A script trusts its arguments: with others it would read and write what it should not."""
    asked = request()
    await front.admit(asked, 10)
    (job_id,) = gate.take(1) or [""]
    execution = uuid.uuid4().hex
    claim = gate._claim_call(job_id, execution)
    finish = gate._finish_call(Ending(job_id, execution, result=DONE))

    def changed(values: list[Any], place: int, value: Any) -> list[Any]:
        return [*values[:place], value, *values[place + 1 :]]

    tried = [
        *((claim.script, changed(claim.names, place, keys.SETTINGS), claim.arguments) for place in range(4)),
        *(
            (claim.script, claim.names, changed(claim.arguments, place, value))
            for place, value in (
                (1, "guessed"),
                (2, "other.llm"),
                (3, 10**6),
                (6, 10**9),
                (8, "not json"),
                (9, keys.SETTINGS),
                (10, keys.SETTINGS),
                (12, "download"),
            )
        ),
        *(
            (finish.script, changed(finish.names, place, keys.SETTINGS), finish.arguments)
            for place in range(4)
        ),
        *(
            (finish.script, finish.names, changed(finish.arguments, place, value))
            for place, value in (
                (2, "queued"),
                (4, 0),
                (5, 10**9),
                (6, '{"type":"completed"}],["other","1-1",{"type":"completed"}'),
                (9, "stored-" + "0" * 32),
                (10, "jobs|chat 5"),
                (11, "x"),
            )
        ),
        ("emit", [], [job_id, execution, 1, '{"type":"delta"}],["other","1-1",{"type":"completed"}']),
        ("emit", [], [f"{job_id}:x", execution, 1, delta()]),
        ("emit", [keys.SETTINGS], [job_id, execution, 1, delta()]),
        ("emit", [], [job_id, execution, 1]),
        ("beat", [keys.started("llm")], [10**6, "now", 0, job_id, execution]),
        ("beat", [keys.started("download")], [6, "now", 0]),
        ("choose", [keys.intermediate("llm")], ["download"]),
        ("choose", [keys.SETTINGS], ["llm"]),
        ("put_back", [keys.started("llm")], [job_id]),
        ("release", [keys.started("llm")], [job_id, execution, "not json", ""]),
    ]
    for name_of_script, names, arguments in tried:
        with pytest.raises(NoPermissionError):
            worker.evalsha(script(name_of_script)[1], len(names), *names, *arguments)
    assert gate.claim([(job_id, execution)])
    assert not gate.write([], [Ending(job_id, execution, result=DONE)])


async def test_scripts_that_redis_has_forgotten_come_again(
    gate: Gate, front: AsyncGate, gateway: Gateway
) -> None:
    gateway.client.script_flush()
    await front.admit(request(), 10)
    job_id, execution = take(gate)
    assert not gate.write([Emission(job_id, execution, 1, delta())], [Ending(job_id, execution, result=DONE)])


@pytest.mark.parametrize(
    "sent",
    [
        b"PING\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n",
        b"*3\r\n$4\r\nAUTH\r\n$1\r\nx\r\n$1\r\ny\r\n",
        b"*999999999\r\n",
        b"*3\r\n$999999999\r\n",
        b"*3\r\n$-1\r\n",
        b"x" * 100_000,
    ],
    ids=lambda sent: sent[:20].decode(),
)
def test_who_has_no_session_gets_no_further(gateway: Gateway, sent: bytes) -> None:
    context = ssl._create_unverified_context()
    with (
        socket.create_connection(("127.0.0.1", gateway.port + 1), 20) as plain,
        context.wrap_socket(plain) as link,
    ):
        link.sendall(sent)
        link.sendall(b"*1\r\n$4\r\nPING\r\n")
        answer = b""
        try:
            while more := link.recv(1000):
                answer += more
        except (ConnectionError, ssl.SSLError):
            pass
    assert answer == b"" or answer.startswith(b"-WRONGPASS")


def test_what_is_no_command_ends_the_connection(worker: redis.Redis) -> None:
    link: Any = worker.connection_pool.get_connection()
    for sent in (b"*1\r\n:5\r\n", b"*1\r\n*1\r\n$4\r\nPING\r\n", b"+OK\r\n", b"*0\r\n"):
        link.connect()
        link._sock.sendall(sent)
        with pytest.raises(RedisError):
            link.read_response()
        link.disconnect()
    worker.connection_pool.release(link)
    assert worker.ping()


async def test_a_large_result_passes_whole(gate: Gate, front: AsyncGate, gateway: Gateway) -> None:
    await front.admit(request(), 10)
    job_id, execution = take(gate)
    large = made({"text": "x" * 5_000_000})
    assert not gate.write([], [Ending(job_id, execution, result=large)])
    entries: Any = gateway.client.xrevrange(keys.events(job_id), count=1)
    assert len(entries[0][1][b"e"]) > 5_000_000
