import os
import subprocess
import sys
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Literal, get_origin
from urllib.parse import urlsplit

import pytest
import redis
from pydantic import SecretStr

from config import VERSION, early
from config.document import DOCUMENT, document
from config.early import SOCKET_PATH_MAX
from config.settings import REPO, Settings, load_settings, variables
from config.settings.access import CONTAINER_NAMES, LOOPBACK_NAMES
from config.values import bounds


@pytest.fixture(autouse=True)
def defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here alone no variable is set for all tests."""
    monkeypatch.delenv("PROMPT_CACHE_DISK_GB")


#: A value for each variable, and what it becomes.
EXAMPLES: dict[str, tuple[str, object]] = {
    "host": ("192.0.2.1", "192.0.2.1"),
    "port": ("9001", 9001),
    "ollama_port": ("11434", 11434),
    "data_dir": ("/data/mlxq", Path("/data/mlxq")),
    "redis_url": ("redis://:secret@db:6380/1", "redis://:secret@db:6380/1"),
    "redis_maxmemory_mb": ("64", 64),
    "join_port": ("8081", 8081),
    "join_host": ("192.0.2.1", "192.0.2.1"),
    "join_url": ("mac-studio.local:9001/", "https://mac-studio.local:9001"),
    "join_key": ("mlxq-join-1-2-3", SecretStr("mlxq-join-1-2-3")),
    "blob_url": ("s3://bucket", "s3://bucket"),
    "llm_model": ("org/name", "org/name"),
    "draft_model": ("org/draft", "org/draft"),
    "asr_model": ("org/name", "org/name"),
    "tts_model": ("org/name", "org/name"),
    "image_model": ("org/name", "org/name"),
    "zimage_model_dir": ("/models/zimage", "/models/zimage"),
    "flux_model_dir": ("/models/flux", "/models/flux"),
    "image_quantize": ("4", 4),
    "image_metadata": ("no", False),
    "image_on_disconnect": ("cancel", "cancel"),
    "embedding_model": ("org/name", "org/name"),
    "model_roots": (f"/a{os.pathsep}/b, /c", (Path("/a"), Path("/b"), Path("/c"))),
    "hub_cache": ("/hub", Path("/hub")),
    "auto_download": ("0", False),
    "model_links": ("1", True),
    "normalise_prompts": ("0", False),
    "model_source": ("modelscope", "modelscope"),
    "downloads": ("4", 4),
    "downloads_quiet": ("90s", 90.0),
    "hf_endpoint": ("https://hf-mirror.example/", "https://hf-mirror.example"),
    "hf_token": ("hf_secret", SecretStr("hf_secret")),
    "hf_hub_offline": ("1", True),
    "modelscope_endpoint": ("modelscope.example", "https://modelscope.example"),
    "modelscope_token": ("ms_secret", SecretStr("ms_secret")),
    "allowed_hosts": ("mac.local, *", (*LOOPBACK_NAMES, *CONTAINER_NAMES, "mac.local", "*")),
    "public_url": ("https://ai.example/mlxq/v1/", "https://ai.example/mlxq"),
    "trusted_proxies": ("10.0.0.1, fd00::/8", (ip_network("10.0.0.1"), ip_network("fd00::/8"))),
    "cors_origins": ("https://a.example,HTTPS://b.example/", ("https://a.example", "https://b.example")),
    "max_body_mb": ("0.5", 0.5),
    "max_connections": ("100", 100),
    "max_connections_per_address": ("10", 10),
    "head_timeout": ("500ms", 0.5),
    "body_timeout": ("1m", 60.0),
    "send_timeout": ("90s", 90.0),
    "keep_alive_timeout": ("5", 5.0),
    "websocket_idle_timeout": ("1h", 3600.0),
    "max_images": ("4", 4),
    "max_image_mb": ("2.5", 2.5),
    "max_image_megapixels": ("12", 12.0),
    "image_fetch_timeout": ("30s", 30.0),
    "allow_private_urls": ("1", True),
    "max_audio_mb": ("2.5", 2.5),
    "max_audio_seconds": ("2h", 7200.0),
    "max_speech_characters": ("100", 100),
    "max_reference_seconds": ("30s", 30.0),
    "tts_ref_audio": ("~/me.wav", "~/me.wav"),
    "tts_ref_text": ("It is me.", "It is me."),
    "voices_dir": ("/voices", Path("/voices")),
    "alias_file": ("/aliases.json", Path("/aliases.json")),
    "show_prompts": ("0", False),
    "strict": ("1", True),
    "queue_limit": ("2000", 2000),
    "aging_time": ("10m", 600.0),
    "background_hours": ("22-7", "22-7"),
    "background_on_ac_power": ("1", True),
    "background_idle_minutes": ("10", 10),
    "background_screen_off": ("1", True),
    "background_heat": ("serious", "serious"),
    "background_running": ("requeue", "requeue"),
    "keep_awake": ("0", False),
    "chat_timeout": ("1.5", 1.5),
    "max_run_time": ("2h", 7200.0),
    "transcription_timeout": ("2m", 120.0),
    "speech_timeout": ("90s", 90.0),
    "image_timeout": ("1h", 3600.0),
    "load_timeout": ("500ms", 0.5),
    "linger_time": ("90s", 90.0),
    "result_ttl": ("24h", 86_400.0),
    "access_log": ("all", "all"),
    "chat_keep_alives": ("chunks", "chunks"),
    "keep_request_kb": ("1.5", 1.5),
    "disk_limit_gb": ("1.5", 1.5),
    "events_ttl": ("1.5h", 5_400.0),
    "max_attempts": ("1", 1),
    "usage_prices": ("/prices.json", Path("/prices.json")),
    "batch_window": ("4", 4),
    "max_batch_requests": ("5000", 5000),
    "max_batches": ("3", 3),
    "max_file_mb": ("100", 100.0),
    "max_files": ("50", 50),
    "max_message_batch_mb": ("20", 20.0),
    "webhook_url": ("http://127.0.0.1:9/hook", "http://127.0.0.1:9/hook"),
    "webhook_events": ("response.*, batch.failed", ("response.*", "batch.failed")),
    "webhook_timeout": ("5", 5.0),
    "allow_private_webhooks": ("1", True),
    "notify_after": ("2m", 120.0),
    "batch_size": ("8", 8),
    "memory_budget_gb": ("8", 8.0),
    "wired_limit_gb": ("24", 24.0),
    "cache_limit_gb": ("0.5", 0.5),
    "switch_patience": ("0", 0.0),
    "lanes": ("overlap", "overlap"),
    "chat_share": ("0.5", 0.5),
    "prompt_cache_mb": ("0", 0.0),
    "prompt_cache_disk_gb": ("2.5", 2.5),
    "drain_timeout": ("0", 0.0),
    "step_timeout": ("10", 10.0),
    "supervise": ("no", False),
    "log_level": ("WARNING", "warning"),
    "otel_endpoint": ("http://collector:4318", "http://collector:4318"),
    "otel_traces_exporter": ("none", "none"),
    "otel_sdk_disabled": ("true", "true"),
    "otel_content": ("true", "true"),
}

CASES = [
    pytest.param(name, variable, *EXAMPLES[name], id=variable)
    for name in EXAMPLES
    for variable in variables(name)
]


@pytest.mark.parametrize(("name", "variable", "text", "value"), CASES)
def test_each_variable_sets_its_field(
    monkeypatch: pytest.MonkeyPatch, name: str, variable: str, text: str, value: object
) -> None:
    monkeypatch.setenv(variable, text)
    assert getattr(load_settings(), name) == value


def test_no_setting_is_left_out() -> None:
    assert {*EXAMPLES, "api_keys", "admin_keys", "webhook_secret"} == set(Settings.model_fields)


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if len(variables(name)) > 1])
def test_our_own_name_wins_over_the_alias(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    own, alias = variables(name)
    text, value = EXAMPLES[name]
    monkeypatch.setenv(own, text)
    monkeypatch.setenv(alias, "debug" if name == "log_level" else "1")
    assert getattr(load_settings(), name) == value


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLXQ_DATA_DIR")
    settings = load_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.data_dir == Path.home() / ".mlxq"
    assert settings.redis_address == f"unix://{Path.home()}/.mlxq/redis.sock"
    assert Path(settings.llm_model) == REPO / "models" / "tiny-chat"
    assert settings.model_roots[0] == REPO / "models"
    assert settings.max_body_bytes == 10 * 1024 * 1024
    assert settings.queue_limit == 32
    assert settings.prompt_cache_mb is None


@pytest.mark.parametrize(
    "variable", [variable for name in Settings.model_fields for variable in variables(name)]
)
def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    before = load_settings()
    if variable != "MLXQ_DATA_DIR":
        monkeypatch.setenv(variable, "")
    assert load_settings() == before


def test_a_number_may_be_left_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPT_CACHE_MB", "Auto")
    assert load_settings().prompt_cache_bytes is None


def test_the_constructor_takes_field_names_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PORT", "9001")
    monkeypatch.setenv("HOST", "192.0.2.1")
    settings = Settings(port=9002, max_body_mb=1)
    assert (settings.host, settings.port, settings.max_body_bytes) == ("192.0.2.1", 9002, 1024 * 1024)


WRONG = [
    ("PORT", "99999", "a whole number from 0 to 65535"),
    ("MLX_GUI_PORT", "http", "a whole number from 0 to 65535"),
    ("QUEUE_LIMIT", "0", "a whole number from 1 to 100000"),
    ("QUEUE_LIMIT", "2.5", "a whole number from 1 to 100000"),
    ("CHAT_TIMEOUT", "nan", "seconds above 0 and up to 86400, or such as 90s, 30m, 24h"),
    ("CHAT_TIMEOUT", "-1s", "seconds above 0 and up to 86400, or such as 90s, 30m, 24h"),
    ("RESULT_TTL", "inf", "seconds from 1 to 31536000, or such as 90s, 30m, 24h"),
    ("SUPERVISE", "maybe", "1 or 0"),
    (
        "ALLOWED_HOSTS",
        "a, mac.local:8080",
        "names without port and path, such as mac.local, *.mac.local, or *",
    ),
    ("CORS_ORIGINS", "*, a.example", "origins such as https://app.example or http://localhost:3000, or *"),
    (
        "CORS_ORIGINS",
        "https://a.example/x",
        "origins such as https://app.example or http://localhost:3000, or *",
    ),
    ("PUBLIC_URL", "ai.example", "an http:// or https:// address without a query"),
    ("TRUSTED_PROXIES", "nginx", "addresses and networks, such as 10.0.0.1, 192.168.0.0/16, or none"),
    ("LANES", "sideways", "turns or overlap"),
    ("MLXQ_JOIN", "ftp://mac", "an http:// or https:// address, or the name of a machine"),
    ("MODEL_SOURCE", "hub", "huggingface or modelscope"),
    ("IMAGE_QUANTIZE", "5", "0, 4 or 8"),
    ("LOG_LEVEL", "loud", "one of debug, info, warning, error, critical"),
]


@pytest.mark.parametrize(("variable", "value", "allowed"), WRONG)
def test_a_wrong_setting_stops_with_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    allowed: str,
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as stop:
        load_settings()
    assert stop.value.code == 2
    assert capfd.readouterr() == ("", f"mlxq: {variable}={value!r} is wrong; allowed is {allowed}\n")


_REDIS = "a redis://, rediss:// or unix:// address, or nothing for the embedded Redis"
_BUCKET = "s3://bucket or s3://bucket/folder, or nothing for a folder of this machine"


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        *(
            ("REDIS_URL", value, _REDIS)
            for value in ("http://x", "localhost:6379", "redis://db:sesame", "redis://[db")
        ),
        *(
            ("BLOB_URL", value, _BUCKET)
            for value in ("http://x", "s3://", "s3://bucket/../x", "s3://Bucket", "https://u:secret@h#f")
        ),
    ],
)
def test_a_wrong_address_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    allowed: str,
) -> None:
    """It may hold a password."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit):
        load_settings()
    assert capfd.readouterr() == ("", f"mlxq: {variable} is wrong; allowed is {allowed}\n")


def test_a_bucket_needs_its_library(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BLOB_URL", "s3://bucket/some/folder/")
    load_settings()
    monkeypatch.setattr("config.settings.jobs.find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        load_settings()
    assert "pip install 'mlxq[s3]'" in capfd.readouterr().err


@pytest.mark.parametrize("name", [name for name, field in Settings.model_fields.items() if bounds(field)])
def test_every_number_and_switch_has_bounds(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for wrong in ("-1", "1e30", "x", "nan"):
        monkeypatch.setenv(variables(name)[0], wrong)
        with pytest.raises(SystemExit):
            load_settings()


def test_numbers_switches_and_choices_are_all_there_is_to_bound() -> None:
    kinds = {name: field.annotation for name, field in Settings.model_fields.items()}
    assert {
        name
        for name, kind in kinds.items()
        if kind in (int, float, bool, float | None) or get_origin(kind) is Literal
    } == {name for name, field in Settings.model_fields.items() if bounds(field)}


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("API_KEYS", "sesame-1, sesame-2")
    monkeypatch.setenv("REDIS_URL", "redis://user:sesame@db:6380/1?password=sesame")
    settings = load_settings()
    assert [key.get_secret_value() for key in settings.api_keys] == ["sesame-1", "sesame-2"]
    assert settings.redis_label == "redis://db:6380/1"
    monkeypatch.setenv("REDIS_URL", "http://user:sesame@db")
    with pytest.raises(SystemExit):
        load_settings()
    shown = repr(settings) + str(settings) + settings.redis_label + "".join(capfd.readouterr())
    assert "sesame" not in shown
    assert "REDIS_URL" in shown


@pytest.mark.parametrize(
    ("host", "name"),
    [("mac.local", "mac.local"), ("192.0.2.1", "192.0.2.1"), ("fe80::1", "[fe80::1]")],
)
def test_the_chosen_host_is_an_allowed_host(monkeypatch: pytest.MonkeyPatch, host: str, name: str) -> None:
    loopback = load_settings().allowed_hosts
    assert {"localhost", "127.0.0.1", "[::1]", "*.localhost"} <= set(loopback)
    monkeypatch.setenv("HOST", host)
    assert load_settings().allowed_hosts == (*loopback, name)
    monkeypatch.setenv("ALLOWED_HOSTS", "mac.lan, *.lan")
    assert load_settings().allowed_hosts == (*loopback, name, "mac.lan", "*.lan")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "127.0.0.1", "::1", "localhost"])
def test_a_wildcard_host_allows_no_name(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    loopback = load_settings().allowed_hosts
    monkeypatch.setenv("HOST", host)
    assert load_settings().allowed_hosts == loopback


def test_the_socket_of_a_long_data_dir_is_short_and_always_the_same(tmp_path: Path) -> None:
    long = Settings(data_dir=tmp_path / ("x" * 100))
    assert len(os.fsencode(long.redis_socket)) <= SOCKET_PATH_MAX
    assert long.redis_socket == Settings(data_dir=tmp_path / ("x" * 100)).redis_socket
    assert long.redis_socket != Settings(data_dir=tmp_path / ("x" * 101)).redis_socket
    assert long.redis_address == f"unix://{long.redis_socket}"


def test_redis_understands_the_address_of_an_odd_data_dir() -> None:
    settings = Settings(data_dir=Path("/tmp/my data 100%?#"))
    client = redis.Redis.from_url(settings.redis_address)
    assert client.connection_pool.connection_kwargs["path"] == str(settings.redis_socket)
    assert urlsplit(settings.redis_address).scheme == "unix"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1


@pytest.mark.parametrize("variable", ["HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "UNRELATED"])
def test_the_hub_cache_is_where_the_hub_library_has_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    code = "from huggingface_hub.constants import HF_HUB_CACHE; print(HF_HUB_CACHE)"
    theirs = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert str(load_settings().model_roots[-1]) == theirs.stdout.strip()


@pytest.mark.parametrize("text", ["1", "0", "true", "FALSE", "no", "off", "yes", "f", ""])
def test_the_supervisor_reads_its_switch_as_the_settings_do(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("SUPERVISE", text)
    assert early.supervise() == load_settings().supervise


@pytest.mark.parametrize("text", ["", "0", "8081", " 8081 "])
def test_the_supervisor_reads_the_port_for_workers_as_the_settings_do(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("JOIN_PORT", text)
    assert early.takes_workers() == (load_settings().join_port != 0)
    monkeypatch.setenv("MLXQ_JOIN", text and "mac.local")
    assert early.joins() == bool(load_settings().join_url)


@pytest.mark.parametrize("text", ["", "~/x", "/data/mlxq", "relative"])
def test_the_embedded_redis_reads_its_folder_as_the_settings_do(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("MLXQ_DATA_DIR", text)
    settings = load_settings()
    assert early.usual_data_dir() == settings.data_dir
    assert settings.drain_timeout == early.DRAIN_TIMEOUT
    assert settings.redis_maxmemory_mb == early.REDIS_MAXMEMORY_MB


@pytest.mark.parametrize(
    ("variable", "text"), [("REDIS_URL", "redis://db"), ("REDIS_MAXMEMORY_MB", "64"), ("DRAIN_TIMEOUT", "1")]
)
def test_the_embedded_redis_reads_all_settings_when_one_concerns_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    assert early.usual_data_dir() is None


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    named = (REPO / project["tool"]["hatch"]["version"]["path"]).read_text()
    assert f'VERSION = "{VERSION}"' in named


def test_the_document_tells_the_truth() -> None:
    assert DOCUMENT.read_text() == document(DOCUMENT.read_text()), "run: python -m config.document"
