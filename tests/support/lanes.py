"""A worker host with engines that do as they are told, on real Redis."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from config.settings import Settings
from jobs.client import JobClient
from jobs.errors import ContextLengthExceeded, MlxqError
from jobs.events import Entry, Failed
from jobs.kinds import Category, Kind
from jobs.live_settings import LiveSettings, write
from jobs.payloads import ChatPayload, NoPayload
from jobs.request import JobRequest, new_job_id
from jobs.service_class import ServiceClass
from mlxq.catalog import ModelRef
from tests.support.payloads import made
from worker.engines import Loader
from worker.engines.base import Delta, Done, Output, Progress
from worker.host import WorkerHost
from worker.machine import Machine

#: A job that counts this far does not end in the time of a test. Its steps take seconds, so that clients keep up.
ENDLESS, _ENDLESS_PACE = 10**9, 0.002


class ScriptedEngine:
    """Counts to the number in each payload, one step at a time; `hold` makes it stand still in a step.

    A payload may also say: `reads`, the steps that its prompt takes; `silent_after`, the number after which nothing
    comes of it; `last`, that it waits until it is alone.
    """

    capacity: int = 4
    context_length: int | None = 100
    memory_bytes: int = 1

    def __init__(self, model: str, failures: list[Exception]) -> None:
        self.model = model
        self.failures = failures
        self.steps = 0
        self.tasks: dict[str, list[int]] = {}
        self.scripts: dict[str, dict[str, Any]] = {}
        #: seconds that a step takes
        self.pace = 0.0
        self.hold = threading.Event()
        self.hold.set()
        self.fail_next: Exception | None = None
        self.closed = False
        self.closes = threading.Event()
        self.unfinished = 0
        self.stepped = threading.Event()
        #: tasks that it wants to have before a step, and how many it had in each
        self.wanted = 0
        self.company: list[int] = []

    def gather_time(self) -> float:
        return 20.0 if len(self.tasks) < self.wanted else 0.0

    def add(self, task_id: str, payload: ChatPayload, seed: int) -> None:
        (script,) = payload.messages
        if script.get("refuse"):
            raise ContextLengthExceeded("too long", param="messages")
        if script.get("explode"):
            raise ValueError("secret /path/of/user")
        self.tasks[task_id] = [0, int(script.get("count", 1))]
        self.scripts[task_id] = dict(script)

    def remove(self, task_id: str) -> None:
        self.tasks.pop(task_id, None)

    def step(self) -> list[Output]:
        self.stepped.set()
        self.hold.wait()
        self.steps += 1
        self.company.append(len(self.tasks))
        outputs: list[Output] = []
        if self.failures:
            raise self.failures.pop()
        if self.fail_next is not None:
            error, self.fail_next = self.fail_next, None
            raise error
        endless = any(number >= ENDLESS for _, number in list(self.tasks.values()))
        threading.Event().wait(max(self.pace, _ENDLESS_PACE if endless else 0.0))
        for task_id, state in list(self.tasks.items()):
            script = self.scripts[task_id]
            if state[0] == script.get("silent_after") or (script.get("last") and len(self.tasks) > 1):
                continue
            if script.get("reads"):
                script["reads"] -= 1
                outputs.append(Progress(task_id, 100 - script["reads"], 100, "prompt_tokens"))
                continue
            state[0] += 1
            outputs.append(Delta(task_id, f"{state[0]} "))
            outputs.append(Progress(task_id, state[0], state[1]))
            if state[0] >= state[1]:
                outputs.append(Done(task_id, made({"model": self.model, "counted": state[0]})))
                del self.tasks[task_id]
        return outputs

    def tidy(self) -> None:
        pass

    def close(self) -> None:
        self.unfinished = len(self.tasks)
        self.closed = True
        self.closes.set()


class Bench:
    """A worker host with scripted engines, and a client."""

    def __init__(self, settings: Settings, client: JobClient, machine: Machine | None = None) -> None:
        self.settings = settings
        self.client = client
        self.engines: list[ScriptedEngine] = []
        #: what the next steps of chats raise, whatever engine makes them
        self.fail_steps: list[Exception] = []
        self.fail_load = False
        self.hold_load = threading.Event()
        self.hold_load.set()
        loaders: Mapping[Category, Loader] = {Category.LLM: self._load, Category.IMAGE: self._load}
        self.host = WorkerHost(settings, loaders, machine=machine)

    def _load(self, ref: ModelRef, settings: Settings) -> ScriptedEngine:
        if self.fail_load:
            raise RuntimeError("the file is broken: /secret/path")
        self.hold_load.wait()
        self.engines.append(ScriptedEngine(ref.id, self.fail_steps))
        return self.engines[-1]

    def close(self) -> None:
        """Let go of all that was held, and end."""
        self.hold_load.set()
        for engine in self.engines:
            engine.hold.set()
        self.host.drain()

    async def hold_at_most(self, models: int) -> None:
        """As the setting of that name: models on demand at the same time."""
        await write(self.client.redis, LiveSettings.of(self.settings), "max_concurrent_models", models)
        self.host.live.refresh()

    def impatient(self, seconds: float = 0.5) -> None:
        """From now on a step or a load that takes longer counts as hanging."""
        self.host._settings = self.host._settings.model_copy(update={"step_timeout": seconds})
        for lanes in self.host.lanes.values():
            for lane in lanes.lanes:
                lane._watchdog.load_timeout = seconds

    @property
    def engine(self) -> ScriptedEngine:
        return self.engines[-1]

    async def change(self, **live: object) -> None:
        """Change settings while it runs."""
        for key, value in live.items():
            await write(self.client.redis, LiveSettings.of(self.settings), key, value)
        self.host.live.refresh()

    async def submit(self, model: str = "first", category: Category = Category.LLM, **payload: Any) -> str:
        return await self.send(Kind.CHAT, model, category, payload)

    async def send(
        self,
        kind: Kind,
        model: str,
        category: Category = Category.LLM,
        payload: dict[str, Any] | None = None,
        timeout: float = 30,
        max_run_time: float = 0,
        service_class: ServiceClass = ServiceClass.NORMAL,
        worker: str = "",
    ) -> str:
        request = JobRequest(
            id=new_job_id(kind),
            queue=category,
            kind=kind,
            model=model,
            payload=NoPayload()
            if kind in (Kind.LOAD, Kind.UNLOAD)
            else ChatPayload(messages=[payload or {}], keep_alive=(payload or {}).get("keep_alive")),
            timeout=timeout,
            max_run_time=max_run_time,
            stream=True,
            service_class=service_class,
            worker=worker,
        )
        return (await self.client.enqueue(request)).job_id

    async def story(self, job_id: str, until: Callable[[Entry], bool] | None = None) -> list[Entry]:
        """The job's events up to the one that `until` accepts, by default its last."""
        events = []
        async with self.client.watch(job_id) as watch:
            while event := await watch.next(60):
                events.append(event)
                if event.terminal or (until and until(event)):
                    return events
        raise AssertionError(f"{job_id} does not go on after {events}")

    async def error(self, job_id: str) -> MlxqError:
        last = (await self.story(job_id))[-1]
        assert isinstance(last.event, Failed)
        return MlxqError.of(last.event.error)
