"""A worker without MLX: it takes real jobs through the real gate and plays a script on them.

The API's behaviour can thus be told step by step. What it does not show is the real worker: the end-to-end
tests do.
"""

import queue
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

import orjson
import redis
from msgspec import convert, to_builtins

from jobs import keys
from jobs.errors import MlxqError
from jobs.gate import Emission, Ending, Gate, Ttl
from jobs.kinds import KINDS, Category, Kind
from jobs.redis.connection import connection
from jobs.request import Claim
from jobs.worker_state import Rest
from tests.support.events import EventType, encode_event, plain

TTL = Ttl(result=600, events=600)
_NAME = "scripted"


class Run:
    """One execution in a script's hands."""

    def __init__(self, gate: Gate, claim: Claim, connection: redis.Redis) -> None:
        self.claim = claim
        #: as it crosses the queue
        self.payload: dict[str, Any] = plain(claim.payload)
        self._gate = gate
        self._redis = connection
        self._emitted = 0

    def emit(self, event: EventType, **data: Any) -> None:
        self._emitted += 1
        number = self._emitted
        self._gate.write(
            [Emission(self.claim.job_id, self.claim.execution_id, number, encode_event(event, **data))], []
        )

    def note(self, field: str, value: int) -> None:
        """Write to the job's hash, as if something had happened."""
        self._redis.hset(keys.job(self.claim.job_id), field, value)

    def say(self, *texts: str) -> None:
        for text in texts:
            self.emit(EventType.DELTA, index=0, text=text)

    def tell(self, text: str = "", index: int = 0, **more: Any) -> None:
        """A delta of any field: see the contract of `worker.engines.base.Delta`."""
        self.emit(EventType.DELTA, index=index, text=text, **more)

    def complete(self, text: str = "", *, finish_reason: str = "stop", **usage: int) -> None:
        self.answer({"text": text, "finish_reason": finish_reason}, **usage)

    def answer(self, *choices: dict[str, Any], **usage: int) -> None:
        """End with these choices, numbered in their order; what they leave out is what is usual."""
        usual = {"text": "", "finish_reason": "stop"}
        self.end(
            result={
                "choices": [{"index": index, **usual, **choice} for index, choice in enumerate(choices)],
                "usage": {"prompt_tokens": 7, "completion_tokens": 3, "cached_tokens": 2, **usage},
                "timings": {"prompt_seconds": 0.5, "generation_seconds": 1.5},
            }
        )

    def fail(self, error: MlxqError) -> None:
        self.end(error=error)

    def cancelled(self) -> None:
        """End as a worker does that has seen the flag."""
        self.end()

    def end(self, *, result: dict[str, Any] | None = None, error: MlxqError | None = None) -> None:
        kind = KINDS[self.claim.kind].result
        typed = None if result is None else convert(result, kind)
        self._gate.write([], [Ending(self.claim.job_id, self.claim.execution_id, typed, error)])

    def requeue(self) -> None:
        """Give it back, as a draining worker does; the next claim begins with a reset."""
        self._gate.release(self.claim.job_id, self.claim.execution_id)

    def until_cancelled(self, timeout: float = 60) -> bool:
        """Wait until somebody wants this job cancelled."""
        channel: redis.client.PubSub = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        channel.subscribe(keys.COMMANDS)
        try:
            channel.get_message(timeout=1)
            deadline = time.monotonic() + timeout
            while time.monotonic() < deadline:
                if self._redis.hexists(keys.job(self.claim.job_id), "mlxq_cancel"):
                    return True
                channel.get_message(timeout=0.25)
            return False
        finally:
            channel.close()


Script = Callable[[Run], None]


def echo(run: Run) -> None:
    """Answer with the last message, or with the first prompt; load and unload succeed."""
    if run.claim.kind is Kind.LOAD:
        run.end(result={"model": run.claim.model, "status": "loaded"})
    elif run.claim.kind is Kind.UNLOAD:
        run.end(result={"status": "unloaded"})
    else:
        payload = run.payload
        text = str(payload["messages"][-1]["content"] if "messages" in payload else payload["prompts"][0])
        if run.claim.stream:
            run.say(*(text[i : i + 4] for i in range(0, len(text), 4)))
        run.complete(text)


class ScriptedWorker:
    """Plays the given scripts, one job each in order, then `default` on every other job.

    Use as a context manager. `runs` holds the executions that were begun; a script may block.
    """

    def __init__(self, address: str, *, default: Script = echo, category: Category = Category.LLM) -> None:
        self.runs: list[Run] = []
        self.claimed = threading.Semaphore(0)
        self.problem: BaseException | None = None
        self._default = default
        self._category = category
        self._scripts: queue.SimpleQueue[Script] = queue.SimpleQueue()
        self._redis = connection(address)
        self._gate = Gate(self._redis, category.value, _NAME, TTL)
        self._stopped = threading.Event()
        self._going, self._idle = threading.Event(), threading.Event()
        self._going.set()
        self._threads: list[threading.Thread] = []
        self._loop = threading.Thread(target=self._work, name="scripted-worker", daemon=True)
        self.announce()

    def play(self, *scripts: Script) -> None:
        for script in scripts:
            self._scripts.put(script)

    def announce(self, rest: Rest | None = None, **slot: Any) -> None:
        """Publish the state that a worker process publishes at each beat. `rest`: it takes no background jobs."""
        state = {
            "name": _NAME,
            "host": "test",
            "pid": 1,
            "started_at": "2025-01-01T00:00:00.000000Z",
            "slots": {
                category: [
                    {
                        "model": None,
                        "state": "empty",
                        "error": None,
                        "context_length": None,
                        "memory_bytes": None,
                        "loaded_at": None,
                        **slot,
                    }
                ]
                for category in ("llm", self._category.value)
            },
            "engines": ["llm"],
            "rest": None if rest is None else to_builtins(rest),
            "memory": {"active": 0, "peak": 0, "cache": 0},
            "device": {"mlx": True, "gpu": True, "name": "Apple M2 Pro", "memory_bytes": 8 * 1024**3},
        }
        if rest is None:
            self._redis.delete(keys.RESTING)
        else:
            self._redis.set(keys.RESTING, _NAME, ex=600)
        self._redis.sadd(keys.WORKER_STATES, _NAME)
        self._redis.set(keys.worker_state(_NAME), orjson.dumps(state), ex=600)

    def vanish(self) -> None:
        """As if the process had died."""
        self._redis.delete(keys.worker_state(_NAME))

    def pause(self) -> None:
        """Let jobs wait in the queue."""
        self._idle.clear()
        self._going.clear()
        self._wake()
        assert self._idle.wait(60)

    def resume(self) -> None:
        self._going.set()

    def _wake(self) -> None:
        self._redis.rpush(keys.bell(self._category), 1)

    def __enter__(self) -> "ScriptedWorker":
        self._loop.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._going.set()
        self._wake()
        self._loop.join(60)
        for thread in self._threads:
            thread.join(60)
        self._redis.close()
        if self.problem:
            raise self.problem

    def _work(self) -> None:
        while not self._stopped.is_set():
            if not self._going.is_set():
                self._idle.set()
                self._going.wait()
                continue
            claims = self._gate.claim([(job_id, secrets.token_hex(8)) for job_id in self._gate.take(1) or ()])
            if not claims:
                continue
            (claim,) = claims
            run = Run(self._gate, claim, self._redis)
            self.runs.append(run)
            self.claimed.release()
            script = self._default if self._scripts.empty() else self._scripts.get()
            thread = threading.Thread(target=self._play, args=(script, run), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _play(self, script: Script, run: Run) -> None:
        try:
            script(run)
        except BaseException as problem:
            self.problem = problem
