"""The settings that can be changed while mlxq runs: MLX-GUI's nine, which models are held, and the night shift.

The environment says what they are at first, Redis keeps what was changed. Who changes one says so on the channel
of commands; readers also look again at each beat, so that a message that is lost costs a second or two, no more.
What a setting does is not known here. Those that a process can only take at its start (`AT_START`) are laid over
its `Settings` by `at_start`.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import redis
import redis.asyncio
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from redis.exceptions import RedisError

from config.settings import LOG_LEVELS, Settings
from config.settings.background import checked_hours
from jobs import keys
from jobs.errors import InvalidRequest, NotFound
from jobs.redis.connection import async_connection, connection

log = logging.getLogger(__name__)

#: What is said on the channel of commands when a setting has changed.
CHANGED = "settings"
#: These are taken at the next start of the processes; the others at once.
AT_START = frozenset(
    {"server_port", "bind_to_all_interfaces", "max_concurrent_requests", "huggingface_cache_dir"}
)
#: Seconds that a process which starts waits for Redis to tell what was changed.
_PATIENCE = 2.0
#: Seconds between two tries to reach Redis.
_PAUSE = 0.25
_ANYWHERE, _HERE = "0.0.0.0", "127.0.0.1"


def _level(value: str) -> str:
    if value.lower() not in LOG_LEVELS:
        raise ValueError("one of " + ", ".join(level.upper() for level in LOG_LEVELS))
    return value.upper()


def _folder(value: str) -> str:
    if value and (not value.startswith("/") or "\0" in value):
        raise ValueError("an absolute path, or '' for the usual folder")
    return value


def _fixed(value: object) -> object:
    """JSON has lists only."""
    return tuple(value) if isinstance(value, list) else value


class LiveSettings(BaseModel):
    """A value for each key, in JSON's own types. Immutable: a change makes another."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    #: where the API listens
    server_port: int = Field(ge=0, le=65535)
    #: requests that a model which can works on together
    max_concurrent_requests: int = Field(ge=1, le=1024)
    #: whether models that nobody uses leave the memory
    auto_unload_inactive_models: bool = True
    #: after how long; 0 is never
    model_inactivity_timeout_minutes: int = Field(default=30, ge=0, le=525_600)
    #: mlxq has none: kept for programs that set it
    enable_system_tray: bool = False
    log_level: Annotated[str, AfterValidator(_level)]
    #: where models from the hub are kept; '' for the usual folder
    huggingface_cache_dir: Annotated[str, Field(max_length=1024), AfterValidator(_folder)] = ""
    #: whether models run on the GPU; the next model that is loaded obeys
    enable_gpu_acceleration: bool = True
    #: whether other machines can reach the API
    bind_to_all_interfaces: bool
    #: models on demand that are in memory at once; those of the environment are not counted
    max_concurrent_models: int = Field(default=3, ge=1, le=100)
    #: ids of models that stay in memory, and are loaded at the start, like those of the environment
    kept_models: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=1024)], ...],
        BeforeValidator(_fixed),
        Field(max_length=100),
    ] = ()
    #: when background jobs start, and what becomes of running ones; see `BackgroundSettings`
    background_hours: Annotated[str, AfterValidator(checked_hours)] = ""
    background_on_ac_power: bool = False
    background_idle_minutes: int = Field(default=0, ge=0, le=1440)
    background_screen_off: bool = False
    background_heat: Literal["off", "fair", "serious", "critical"] = "off"
    background_running: Literal["finish", "requeue"] = "finish"
    #: whether the machine stays awake while jobs run
    keep_awake: bool = True

    @classmethod
    def of(cls, settings: Settings) -> "LiveSettings":
        """What the environment says."""
        return cls(
            server_port=settings.port,
            max_concurrent_requests=settings.batch_size,
            log_level=settings.log_level.upper(),
            bind_to_all_interfaces=settings.host in (_ANYWHERE, "::"),
            background_hours=settings.background_hours,
            background_on_ac_power=settings.background_on_ac_power,
            background_idle_minutes=settings.background_idle_minutes,
            background_screen_off=settings.background_screen_off,
            background_heat=settings.background_heat,
            background_running=settings.background_running,
            keep_awake=settings.keep_awake,
        )

    def changed(self, key: str, value: object) -> "LiveSettings":
        """The same with another value. Raises NotFound for an unknown key, InvalidRequest for a wrong value."""
        if key not in LiveSettings.model_fields:
            raise NotFound(f"Setting '{key[:64]}' not found", param="key")
        try:
            return LiveSettings.model_validate({**self.model_dump(), key: value})
        except ValidationError as error:
            said = error.errors(include_url=False, include_context=False)[0]["msg"]
            said = said.removeprefix("Input ").removeprefix("Value error, ")
            raise InvalidRequest(
                f"Invalid value for '{key}': {said}.", param="value", code="invalid_value"
            ) from None

    def with_stored(self, stored: Mapping[Any, Any]) -> "LiveSettings":
        """The same with what Redis keeps; what an older or newer mlxq left there and is wrong now is passed over."""
        found = self
        for name, value in stored.items():
            key = name.decode() if isinstance(name, bytes) else str(name)
            try:
                found = found.changed(key, orjson.loads(value))
            except (NotFound, InvalidRequest, orjson.JSONDecodeError):
                log.warning("the stored setting %s is not valid", key)
        return found

    def at_start(self, settings: Settings) -> Settings:
        """`settings` for a process that starts now."""
        was = LiveSettings.of(settings)
        updates: dict[str, Any] = {
            "port": self.server_port,
            "batch_size": self.max_concurrent_requests,
            "log_level": self.log_level.lower(),
        }
        cache = Path(self.huggingface_cache_dir)
        if self.huggingface_cache_dir and not settings.may_hold_models(cache):
            log.warning("huggingface_cache_dir=%s is not allowed by the environment: passed over", cache)
        elif self.huggingface_cache_dir:
            roots = [root for root in settings.model_roots if root not in (settings.hub_cache, cache)]
            updates |= {"hub_cache": cache, "model_roots": (*roots, cache)}
        if self.bind_to_all_interfaces != was.bind_to_all_interfaces:
            updates["host"] = _ANYWHERE if self.bind_to_all_interfaces else _HERE
        return settings.model_copy(update=updates)


def check_allowed(settings: Settings, key: str, value: object) -> None:
    """Raises InvalidRequest for a value that the environment's `settings` do not allow."""
    if key != "huggingface_cache_dir" or not isinstance(value, str) or not value.startswith("/"):
        return
    if "\0" not in value and not settings.may_hold_models(Path(value)):
        raise InvalidRequest(
            "Invalid value for 'huggingface_cache_dir': the folder must lie below the data folder, HF_HOME or one of "
            "the MODEL_ROOTS, as the server's environment sets them.",
            param="value",
            code="invalid_value",
        )


async def read(client: redis.asyncio.Redis, usual: LiveSettings) -> LiveSettings:
    """The settings as they are now. Raises RedisError."""
    return usual.with_stored(await client.hgetall(keys.SETTINGS))


async def write(client: redis.asyncio.Redis, usual: LiveSettings, key: str, value: object) -> LiveSettings:
    """Change one, and tell all processes. Raises NotFound, InvalidRequest and RedisError."""
    settings = (await read(client, usual)).changed(key, value)
    async with client.pipeline(transaction=True) as pipe:
        pipe.hset(keys.SETTINGS, key, orjson.dumps(settings.model_dump()[key]))
        pipe.publish(keys.COMMANDS, CHANGED)
        await pipe.execute()
    return settings


async def follow(address: str, usual: LiveSettings, on_change: Callable[[LiveSettings], None]) -> None:
    """For an event loop: call `on_change` for what is stored already and after each change, until cancelled."""
    current = usual
    listening, reading = async_connection(address, blocking_reads=True), async_connection(address)

    async def look() -> None:
        nonlocal current
        found = await read(reading, usual)
        if found != current:
            current = found
            on_change(found)

    async with listening, reading:
        while True:
            try:
                async with listening.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(keys.COMMANDS)
                    await look()
                    async for message in channel.listen():
                        if message["data"] == CHANGED:
                            await look()
            except (RedisError, OSError):
                await asyncio.sleep(_PAUSE)


class LiveSource:
    """The settings as a process with threads sees them: `current` at any time, from any thread.

    Somebody has to call `refresh` at each beat and when `CHANGED` was heard.
    """

    def __init__(
        self,
        client: redis.Redis,
        usual: LiveSettings,
        on_change: Callable[[LiveSettings], None] = lambda _: None,
    ) -> None:
        """`on_change` is called on the thread that refreshes, after each change."""
        self._redis = client
        self._usual = usual
        self._on_change = on_change
        self._lock = threading.Lock()
        self._current = usual

    @property
    def current(self) -> LiveSettings:
        return self._current

    def refresh(self) -> None:
        """Look again. Raises RedisError; then the settings stay as they were."""
        with self._lock:
            stored: Any = self._redis.hgetall(keys.SETTINGS)
            found = self._usual.with_stored(stored)
            if found == self._current:
                return
            self._current = found
            self._on_change(found)


def apply_log_level(settings: LiveSettings) -> None:
    """This process' log is as talkative as the settings say, from now on."""
    logging.getLogger().setLevel(settings.log_level)


def at_start(settings: Settings, patience: float = _PATIENCE) -> Settings:
    """The settings of a process that starts, with what was changed and kept. Without Redis: what they are."""
    usual = LiveSettings.of(settings)
    deadline = time.monotonic() + patience
    with contextlib.closing(connection(settings.redis_address)) as client:
        while True:
            try:
                stored: Any = client.hgetall(keys.SETTINGS)
                return usual.with_stored(stored).at_start(settings)
            except (RedisError, OSError):
                if time.monotonic() >= deadline:
                    return settings
                time.sleep(0.05)
