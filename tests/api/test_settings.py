"""`/v1/settings`: what can be changed while the server runs, as MLX-GUI's clients do it."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from config.settings import hub_home
from jobs import keys
from jobs.live_settings import AT_START, CHANGED, LiveSettings, LiveSource, at_start, follow, write
from jobs.redis.connection import async_connection, connection
from tests.api.conftest import MakeSettings
from tests.private_redis import PrivateRedis
from tests.support.api_server import ApiServer

#: Another folder for the hub's models, which the environment allows.
CACHE = hub_home() / "elsewhere"
#: MLX-GUI's keys, the type of each, and another value than the usual one.
KEYS: dict[str, tuple[type, Any]] = {
    "server_port": (int, 8123),
    "max_concurrent_requests": (int, 5),
    "auto_unload_inactive_models": (bool, False),
    "model_inactivity_timeout_minutes": (int, 60),
    "enable_system_tray": (bool, True),
    "log_level": (str, "WARNING"),
    "huggingface_cache_dir": (str, str(CACHE)),
    "enable_gpu_acceleration": (bool, False),
    "bind_to_all_interfaces": (bool, True),
}
#: Those that have no effect, or none before a restart.
NOT_YET = {"enable_system_tray", *AT_START}
#: mlxq's own: another value than the usual one.
OWN: dict[str, Any] = {
    "background_hours": "mon-fri 20-8, sat-sun 0-24",
    "background_on_ac_power": True,
    "background_idle_minutes": 10,
    "background_screen_off": True,
    "background_heat": "serious",
    "background_running": "requeue",
    "keep_awake": False,
    "kept_models": ["tiny", "org/other"],
}


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    """A changed setting changes this process' log."""
    before = logging.getLogger().level
    yield
    logging.getLogger().setLevel(before)


def test_the_settings_are_mlx_guis(http: httpx.Client) -> None:
    body = http.get("/v1/settings").json()
    assert {key: type(body[key]) for key in KEYS} == {key: kind for key, (kind, _) in KEYS.items()}
    assert body["model_inactivity_timeout_minutes"] == 30
    assert body["auto_unload_inactive_models"] is True
    assert (body["log_level"], body["huggingface_cache_dir"]) == ("INFO", "")
    assert body.keys() - KEYS == {"max_concurrent_models", *OWN}
    assert http.get("/settings").json() == body


@pytest.mark.parametrize(
    ("key", "value"), [*((key, value) for key, (_, value) in KEYS.items()), *OWN.items()]
)
def test_a_setting_is_changed_and_kept(
    http: httpx.Client, make_settings: MakeSettings, key: str, value: Any
) -> None:
    before = http.get("/v1/settings").json()
    assert before[key] != value
    answer = http.put(f"/v1/settings/{key}", json={"value": value})
    assert (answer.status_code, answer.json()) == (200, {"key": key, "value": value, "updated": True})
    assert (key in NOT_YET) == ("effect" in answer.headers.get("warning", ""))
    assert http.get("/v1/settings").json() == {**before, key: value}
    with ApiServer(make_settings()) as another:
        assert httpx.get(f"{another.url}/v1/settings").json()[key] == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((key, value) for key in KEYS for value in (None, 1.5, KEYS[key][0] is str or "text")),
        ("auto_unload_inactive_models", 1),
        ("max_concurrent_requests", True),
        ("max_concurrent_requests", 0),
        ("model_inactivity_timeout_minutes", -1),
        ("server_port", 65536),
        ("server_port", 10**30),
        ("log_level", "loud"),
        ("huggingface_cache_dir", "not/absolute"),
        ("huggingface_cache_dir", "/nul\0"),
        ("background_hours", "22"),
        ("background_hours", None),
        ("background_idle_minutes", -1),
        ("background_on_ac_power", "yes"),
        ("background_heat", "hot"),
        ("background_running", "stop"),
        ("kept_models", "tiny"),
        ("kept_models", [""]),
        ("kept_models", ["x" * 2000]),
    ],
)
def test_a_wrong_value_changes_nothing(http: httpx.Client, key: str, value: object) -> None:
    before = http.get("/v1/settings").json()
    answer = http.put(f"/v1/settings/{key}", json={"value": value})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert http.get("/v1/settings").json() == before


def test_models_are_kept_only_where_the_environment_allows(
    http: httpx.Client, make_settings: MakeSettings, model_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (model_root / "way-out").symlink_to(tmp_path / "outside")
    outside = ("/", "/etc", str(tmp_path), str(tmp_path / "outside"), f"{model_root}/../outside")
    for value in (*outside, f"{model_root}/way-out/more"):
        answer = http.put("/v1/settings/huggingface_cache_dir", json={"value": value})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_value"), value
    assert http.get("/v1/settings").json()["huggingface_cache_dir"] == ""
    for value in (str(model_root), f"{model_root}/cache", f"{make_settings().data_dir}/cache", ""):
        answer = http.put("/v1/settings/huggingface_cache_dir", json={"value": value})
        assert answer.status_code == 200, value


def test_what_is_no_change_at_all(http: httpx.Client) -> None:
    unknown = http.put("/v1/settings/telepathy", json={"value": True})
    assert unknown.status_code == 404
    assert "telepathy" in unknown.json()["detail"]
    for body in (b"", b"60", b'{"valu": 60}', b'{"value": [60]}'):
        answer = http.put("/v1/settings/model_inactivity_timeout_minutes", content=body)
        assert answer.status_code == 400, body


def test_settings_are_for_the_owner(http: httpx.Client, api: ApiServer) -> None:
    for origin, status in (("https://evil.com", 403), (api.url, 200)):
        headers = {"origin": origin}
        assert http.get("/v1/settings", headers=headers).status_code == status
        answer = http.put("/v1/settings/log_level", json={"value": "ERROR"}, headers=headers)
        assert answer.status_code == status


def test_the_log_of_the_server_obeys_at_once(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch, clean_redis: redis.Redis
) -> None:
    heard = threading.Event()

    def listen(level: str) -> None:
        if level == "ERROR":
            heard.set()

    monkeypatch.setattr(logging.getLogger(), "setLevel", listen)
    assert http.put("/v1/settings/log_level", json={"value": "error"}).json()["value"] == "ERROR"
    assert heard.wait(60)


def test_threads_see_a_change_when_they_look(make_settings: MakeSettings, clean_redis: redis.Redis) -> None:
    usual = LiveSettings.of(make_settings())
    seen: list[LiveSettings] = []
    source = LiveSource(clean_redis, usual, seen.append)
    source.refresh()
    assert source.current == usual
    clean_redis.hset(keys.SETTINGS, "max_concurrent_models", "7")
    clean_redis.hset(keys.SETTINGS, "what_an_older_one_had", "1")
    clean_redis.hset(keys.SETTINGS, "server_port", "not JSON")
    source.refresh()
    source.refresh()
    assert source.current == usual.changed("max_concurrent_models", 7)
    assert seen == [source.current]


def test_a_loop_follows_over_a_restart_of_redis(
    make_settings: MakeSettings, redis_server: PrivateRedis
) -> None:
    settings = make_settings(redis_url=redis_server.url)
    usual = LiveSettings.of(settings)

    async def story() -> list[int]:
        changes: asyncio.Queue[LiveSettings] = asyncio.Queue()
        async with async_connection(redis_server.url) as client:
            await write(client, usual, "max_concurrent_models", 1)
            following = asyncio.create_task(follow(redis_server.url, usual, changes.put_nowait))
            seen = [await changes.get()]
            await write(client, usual, "max_concurrent_models", 2)
            seen.append(await changes.get())
            await asyncio.to_thread(redis_server.stop)
            await asyncio.to_thread(redis_server.start)
            await write(client, usual, "max_concurrent_models", 5)
            seen.append(await changes.get())
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        return [settings.max_concurrent_models for settings in seen]

    assert asyncio.run(story()) == [1, 2, 5]


def test_a_process_that_starts_takes_what_was_kept(
    make_settings: MakeSettings, redis_server: PrivateRedis
) -> None:
    settings = make_settings(redis_url=redis_server.url)
    assert at_start(settings) == settings
    stored = {
        "server_port": "9123",
        "max_concurrent_requests": "4",
        "bind_to_all_interfaces": "true",
        "log_level": '"ERROR"',
        "huggingface_cache_dir": f'"{CACHE}"',
    }
    with connection(redis_server.url) as client:
        client.hset(keys.SETTINGS, mapping=stored)
        client.publish(keys.COMMANDS, CHANGED)
    started = at_start(settings)
    assert (started.host, started.port, started.batch_size) == ("0.0.0.0", 9123, 4)
    assert (started.log_level, str(started.model_roots[-1])) == ("error", str(CACHE))
    assert LiveSettings.of(started).bind_to_all_interfaces
    with connection(redis_server.url) as client:
        client.hset(keys.SETTINGS, "huggingface_cache_dir", '"/etc"')
    started = at_start(settings)
    assert (started.hub_cache, started.model_roots) == (settings.hub_cache, settings.model_roots)
    redis_server.kill()
    assert at_start(settings, patience=0) == settings
