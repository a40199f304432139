"""Every setting of mlxq, read once from the environment.

It knows names, defaults and bounds; it does not know what the settings are used for. No other module reads
environment variables. Own names win; the names of the servers that mlxq replaces are accepted as aliases.
"""

import os
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, NoReturn
from urllib.parse import quote, urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from config import early
from config.values import LOOPBACK_NETWORKS, Directories, Directory, Names, Networks, Seconds, Secrets, bounds

REPO = Path(__file__).resolve().parent.parent

LOOPBACK_NAMES = ("localhost", "*.localhost", "127.0.0.1", "[::1]", "::1")
#: The names that containers have for the machine they run on.
CONTAINER_NAMES = (
    "host.docker.internal",
    "gateway.docker.internal",
    "host.containers.internal",
    "host.lima.internal",
    "host.orb.internal",
)
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
REDIS_SCHEMES = ("redis", "rediss", "unix")


def _hub_home() -> Path:
    """Where huggingface_hub keeps all that it keeps, by its own rules."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("HF_HOME") or f"{cache}/huggingface").expanduser().absolute()


def _hub_cache() -> Path:
    """Where it keeps its downloads."""
    return Path(os.environ.get("HF_HUB_CACHE") or _hub_home() / "hub").expanduser().absolute()


def _allowed_hosts(data: dict[str, Any]) -> tuple[str, ...]:
    """Names of this machine, and the address that the user chose to listen on unless it means "all of them"."""
    host = str(data.get("host", "localhost"))
    try:
        address = ip_address(host)
    except ValueError:
        name = host
    else:
        name = "localhost" if address.is_unspecified else f"[{address}]" if address.version == 6 else host
    usual = (*LOOPBACK_NAMES, *CONTAINER_NAMES)
    return usual if name in usual else (*usual, name)


class Settings(BaseSettings):
    """Immutable. Entry points call `load_settings()`; tests call the constructor with field names."""

    model_config = SettingsConfigDict(
        frozen=True, env_ignore_empty=True, populate_by_name=True, extra="ignore", hide_input_in_errors=True
    )

    host: str = Field(
        default="127.0.0.1",
        validation_alias=AliasChoices("HOST", "MLX_GUI_HOST"),
        description="Address the API listens on; `0.0.0.0` for the whole network (then set `API_KEYS`).",
    )
    port: int = Field(
        default=8080,
        validation_alias=AliasChoices("PORT", "MLX_GUI_PORT"),
        ge=0,
        le=65535,
        description="Port the API listens on; `0` takes a free one.",
    )
    data_dir: Directory = Field(
        default=Path(early.DATA_DIR),
        validation_alias="MLXQ_DATA_DIR",
        validate_default=True,
        description="Everything that is kept: Redis' files and socket, audio and pictures, records.",
    )
    redis_url: str = Field(
        default="",
        validation_alias="REDIS_URL",
        repr=False,
        description="Any Redis 6.2 or newer: `redis://`, `rediss://` or `unix://`; empty: the embedded one.",
    )
    redis_maxmemory_mb: int = Field(
        default=early.REDIS_MAXMEMORY_MB,
        validation_alias="REDIS_MAXMEMORY_MB",
        ge=32,
        le=1_048_576,
        description="Memory bound of the embedded Redis in MB; jobs are refused well before it is reached.",
    )

    llm_model: str = Field(
        default=str(REPO / "models" / "tiny-chat"),
        validation_alias="LLM_MODEL",
        description="Chat model: hub id, local path or alias. It is loaded at start and stays.",
    )
    draft_model: str = Field(
        default="",
        validation_alias="DRAFT_MODEL",
        description="Small chat model of the same vocabulary that drafts for the chat model; requests then run "
        "one at a time.",
    )
    asr_model: str = Field(
        default="",
        validation_alias=AliasChoices("ASR_MODEL", "ASR_MODEL_DIR"),
        description="Transcription model: hub id, local path or alias; loaded at start.",
    )
    tts_model: str = Field(
        default="", validation_alias="TTS_MODEL", description="Speech model, loaded at start."
    )
    tts_ref_audio: str = Field(
        default="",
        validation_alias="TTS_REF_AUDIO",
        description="Recording of the voice that speaks when a request names none of its own.",
    )
    tts_ref_text: str = Field(
        default="", validation_alias="TTS_REF_TEXT", description="What is said in `TTS_REF_AUDIO`."
    )
    voices_dir: Directory = Field(
        default_factory=lambda data: Path(data.get("data_dir", early.DATA_DIR)) / "voices",
        validation_alias="VOICES_DIR",
        description="Folder of recordings that may be given as a voice, and of `voices.json`.",
    )
    image_model: str = Field(
        default="",
        validation_alias="IMAGE_MODEL",
        description="Image model, loaded at start; without one an installed model is the default, else the random "
        "`models/tiny-image`.",
    )
    zimage_model_dir: str = Field(
        default="",
        validation_alias="ZIMAGE_MODEL_DIR",
        description="Folder that the name `zimage` stands for, instead of the hub's Z-Image-Turbo.",
    )
    flux_model_dir: str = Field(
        default="",
        validation_alias="FLUX_MODEL_DIR",
        description="Folder that the names `flux` and `flux.2-klein` stand for, instead of the hub's FLUX.2-klein.",
    )
    image_quantize: Literal[0, 4, 8] = Field(
        default=0,
        validation_alias="IMAGE_QUANTIZE",
        description="Bits that image models are quantised to when they are loaded; `0`: as they are.",
    )
    image_metadata: bool = Field(
        default=True,
        validation_alias="IMAGE_METADATA",
        description="Write prompt, model, seed, steps and size into the files of pictures.",
    )
    image_on_disconnect: Literal["keep", "cancel"] = Field(
        default="keep",
        validation_alias="IMAGE_ON_DISCONNECT",
        description="Whether a picture is made to its end when its client leaves.",
    )
    embedding_model: str = Field(
        default="",
        validation_alias="EMBEDDING_MODEL",
        description="Embedding model: hub id, local path or alias; loaded at start.",
    )
    hub_cache: Directory = Field(
        default_factory=_hub_cache,
        validation_alias="HF_HUB_CACHE",
        description="Where downloaded models lie: the hub's own cache, shared with its other programs.",
    )
    model_roots: Directories = Field(
        default_factory=lambda data: (REPO / "models", data.get("hub_cache") or _hub_cache()),
        validation_alias="MODEL_ROOTS",
        description="Folders, parted by `:` or `,`, that a local path given as a model must lie in.",
    )
    model_links: bool = Field(
        default=False,
        validation_alias="MODEL_LINKS",
        description="Whether links in the model roots may lead out of them: to folders and files on another disk.",
    )
    auto_download: bool = Field(
        default=True,
        validation_alias="AUTO_DOWNLOAD",
        description="Fetch an exact `org/name` from its hub on first use.",
    )
    model_source: Literal["huggingface", "modelscope"] = Field(
        default="huggingface",
        validation_alias="MODEL_SOURCE",
        description="The hub that models are fetched from: `huggingface` or `modelscope`.",
    )
    downloads: int = Field(
        default=2,
        validation_alias="DOWNLOADS",
        ge=1,
        le=16,
        description="Models that are fetched at the same time.",
    )
    hf_endpoint: str = Field(
        default="https://huggingface.co",
        validation_alias="HF_ENDPOINT",
        description="Address of the Hugging Face hub, or of a mirror.",
    )
    hf_token: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("HF_TOKEN", "HUGGINGFACE_HUB_TOKEN"),
        description="Token for private and gated models; without it the one that `hf auth login` keeps.",
    )
    hf_hub_offline: bool = Field(
        default=False, validation_alias="HF_HUB_OFFLINE", description="Ask no hub for anything."
    )
    modelscope_endpoint: str = Field(
        default="https://www.modelscope.cn",
        validation_alias=AliasChoices("MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN"),
        description="Address of ModelScope.",
    )
    modelscope_token: SecretStr | None = Field(
        default=None,
        validation_alias="MODELSCOPE_API_TOKEN",
        description="Token for private models on ModelScope.",
    )

    api_keys: Secrets = Field(
        default=(),
        validation_alias="API_KEYS",
        description="Comma-separated keys that clients must send; empty: any key, or none, is taken.",
    )
    admin_keys: Secrets = Field(
        default=(),
        validation_alias="ADMIN_KEYS",
        description="Comma-separated keys that see the jobs of all keys; where there are any, only they load, fetch "
        "and delete models, change settings and end the server.",
    )
    allowed_hosts: Names = Field(
        default_factory=_allowed_hosts,
        validation_alias="ALLOWED_HOSTS",
        description="Comma-separated `Host` names that are answered (against DNS rebinding); `*` allows all.",
    )
    public_url: str = Field(
        default="",
        validation_alias="PUBLIC_URL",
        description="The server's address as clients know it, with its sub-path, such as "
        "`https://ai.example.com/mlxq`; empty: what the request says, or a proxy of `TRUSTED_PROXIES`.",
    )
    trusted_proxies: Networks = Field(
        default=LOOPBACK_NETWORKS,
        validation_alias="TRUSTED_PROXIES",
        description="Comma-separated addresses and networks whose `Forwarded` and `X-Forwarded-*` headers count; "
        "`none`: nobody's.",
    )
    cors_origins: Names = Field(
        default=("*",),
        validation_alias="CORS_ORIGINS",
        description="Comma-separated web origins whose pages may use every model; with `*` those of others may use "
        "what is there, without it nothing.",
    )
    max_body_mb: float = Field(
        default=10, validation_alias="MAX_BODY_MB", gt=0, le=10_240, description="Largest request body in MB."
    )

    max_connections: int = Field(
        default=4096,
        validation_alias="MAX_CONNECTIONS",
        ge=1,
        le=1_000_000,
        description="Connections that may be open, or fewer where the limit of open files is low.",
    )
    max_connections_per_address: int = Field(
        default=256,
        validation_alias="MAX_CONNECTIONS_PER_ADDRESS",
        ge=1,
        le=1_000_000,
        description="Connections that one address may have open, other than this machine's and those of "
        "`TRUSTED_PROXIES`; in IPv6 that is a /64 network.",
    )
    head_timeout: Seconds = Field(
        default=20,
        validation_alias="HEAD_TIMEOUT",
        gt=0,
        le=3600,
        description="How long a request's line and headers may take to come.",
    )
    body_timeout: Seconds = Field(
        default=30,
        validation_alias="BODY_TIMEOUT",
        gt=0,
        le=3600,
        description="How long each next piece of a request's body may take to come; fewer than 500 bytes a second "
        "are too few.",
    )
    send_timeout: Seconds = Field(
        default=300,
        validation_alias="SEND_TIMEOUT",
        gt=0,
        le=86_400,
        description="How long a client may read nothing of an answer that waits for it.",
    )
    keep_alive_timeout: Seconds = Field(
        default=75,
        validation_alias="KEEP_ALIVE_TIMEOUT",
        gt=0,
        le=3600,
        description="How long a connection may be idle between two requests.",
    )
    websocket_idle_timeout: Seconds = Field(
        default=300,
        validation_alias="WEBSOCKET_IDLE_TIMEOUT",
        gt=0,
        le=86_400,
        description="How long a WebSocket may be silent while nothing is spoken on it.",
    )

    max_images: int = Field(
        default=32,
        validation_alias="MAX_IMAGES",
        ge=1,
        le=1_000,
        description="Images that one request may have.",
    )
    max_image_mb: float = Field(
        default=20,
        validation_alias="MAX_IMAGE_MB",
        gt=0,
        le=1_024,
        description="Largest image, as a file, in MB; in chats what is sent is bounded by `MAX_BODY_MB` too.",
    )
    max_image_megapixels: float = Field(
        default=50,
        validation_alias="MAX_IMAGE_MEGAPIXELS",
        gt=0,
        le=89,
        description="Largest image, in millions of pixels.",
    )
    image_fetch_timeout: Seconds = Field(
        default=10,
        validation_alias="IMAGE_FETCH_TIMEOUT",
        gt=0,
        le=600,
        description="How long an image may take that is fetched from its address.",
    )
    allow_private_urls: bool = Field(
        default=False,
        validation_alias="ALLOW_PRIVATE_URLS",
        description="Fetch images also from this machine and from private networks.",
    )
    max_audio_mb: float = Field(
        default=200,
        validation_alias="MAX_AUDIO_MB",
        gt=0,
        le=10_240,
        description="Largest recording that is sent, in MB; in base64 it takes a third more.",
    )
    max_audio_seconds: Seconds = Field(
        default=4 * 3600,
        validation_alias="MAX_AUDIO_SECONDS",
        gt=0,
        le=86_400,
        description="Longest recording.",
    )
    max_speech_characters: int = Field(
        default=4096,
        validation_alias="MAX_SPEECH_CHARACTERS",
        ge=1,
        le=1_000_000,
        description="Longest text that is spoken by one request.",
    )
    max_reference_seconds: Seconds = Field(
        default=60,
        validation_alias="MAX_REFERENCE_SECONDS",
        gt=0,
        le=600,
        description="Longest recording of a voice to speak with.",
    )
    strict: bool = Field(
        default=False,
        validation_alias="STRICT",
        description="Refuse images that are sent to a model without sight, instead of leaving them out with a "
        "`warning` header.",
    )

    queue_limit: int = Field(
        default=32,
        validation_alias="QUEUE_LIMIT",
        ge=1,
        le=100_000,
        description="Jobs that may wait per category; one more is refused with 429.",
    )
    chat_timeout: Seconds = Field(
        default=300,
        validation_alias="CHAT_TIMEOUT",
        gt=0,
        le=86_400,
        description="Longest run of a chat.",
    )
    transcription_timeout: Seconds = Field(
        default=120,
        validation_alias="TRANSCRIPTION_TIMEOUT",
        gt=0,
        le=86_400,
        description="Longest run of a transcription, beyond the length of its recording.",
    )
    speech_timeout: Seconds = Field(
        default=60,
        validation_alias="SPEECH_TIMEOUT",
        gt=0,
        le=86_400,
        description="Longest run of speech, beyond a tenth of a second for each character.",
    )
    image_timeout: Seconds = Field(
        default=600,
        validation_alias="IMAGE_TIMEOUT",
        gt=0,
        le=86_400,
        description="Longest run of a picture.",
    )
    load_timeout: Seconds = Field(
        default=300, validation_alias="LOAD_TIMEOUT", gt=0, le=86_400, description="Longest load of a model."
    )
    result_ttl: Seconds = Field(
        default=86_400,
        validation_alias="RESULT_TTL",
        ge=1,
        le=31_536_000,
        description="How long a finished job and its files can be fetched.",
    )
    keep_request_kb: float = Field(
        default=4,
        validation_alias="KEEP_REQUEST_KB",
        ge=0,
        le=10_240,
        description="Largest request, in KB, that stays with its job after the end, where RQ's tools show it; `0`: "
        "none does. Larger ones are deleted when their job ends.",
    )
    disk_limit_gb: float = Field(
        default=20,
        validation_alias="DISK_LIMIT_GB",
        ge=0,
        le=1_048_576,
        description="Room on the disk, in GB, for what jobs are given and make; a request that may need more is "
        "refused. `0`: as much as there is.",
    )
    events_ttl: Seconds = Field(
        default=3_600,
        validation_alias="EVENTS_TTL",
        ge=1,
        le=31_536_000,
        description="How long the events of a job can be read again.",
    )
    max_attempts: int = Field(
        default=3,
        validation_alias="MAX_ATTEMPTS",
        ge=1,
        le=100,
        description="Runs of a job whose worker died.",
    )

    batch_size: int = Field(
        default=32,
        validation_alias="BATCH_SIZE",
        ge=1,
        le=1024,
        description="Chats that are decoded together; requests for embeddings that are computed together.",
    )
    memory_budget_gb: float = Field(
        default=0,
        validation_alias="MEMORY_BUDGET_GB",
        ge=0,
        le=4096,
        description="Memory that all models together may take, in GB; `0`: what Metal recommends, elsewhere three "
        "quarters of the machine's.",
    )
    wired_limit_gb: float = Field(
        default=0,
        validation_alias="WIRED_LIMIT_GB",
        ge=0,
        le=4096,
        description="Memory that Metal keeps resident for models, in GB; `0`: what Metal recommends.",
    )
    cache_limit_gb: float = Field(
        default=0,
        validation_alias="CACHE_LIMIT_GB",
        ge=0,
        le=4096,
        description="Freed memory that MLX may keep on Metal to use it again, in GB; `0`: a tenth of the budget.",
    )
    switch_patience: float = Field(
        default=15,
        validation_alias="SWITCH_PATIENCE",
        ge=0,
        le=3600,
        description="Seconds for which a job that needs another model lets jobs for the loaded one pass, so that "
        "two programs with two models do not make them change places with every request.",
    )
    lanes: Literal["turns", "overlap"] = Field(
        default="turns",
        validation_alias="LANES",
        description="How models of different categories share the device: they take `turns`, step by step, or "
        "their steps `overlap`.",
    )
    chat_share: float = Field(
        default=0.8,
        validation_alias="CHAT_SHARE",
        ge=0.1,
        le=0.95,
        description="The part of the time that chats get while other categories work too, when lanes take turns.",
    )
    prompt_cache_mb: float = Field(
        default=1024,
        validation_alias="PROMPT_CACHE_MB",
        ge=0,
        le=1_048_576,
        description="Memory for prompts that were read before, in MB; `0` turns the cache off.",
    )
    drain_timeout: Seconds = Field(
        default=early.DRAIN_TIMEOUT,
        validation_alias="DRAIN_TIMEOUT",
        ge=0,
        le=600,
        description="How long a stop waits for running jobs before they are put back into the queue; honcho "
        "kills after 5, so that more needs another launcher.",
    )
    step_timeout: Seconds = Field(
        default=120,
        validation_alias="STEP_TIMEOUT",
        gt=0,
        le=86_400,
        description="Longest single step of an engine; after it the worker counts as hung and is restarted.",
    )
    supervise: bool = Field(
        default=True,
        validation_alias="SUPERVISE",
        description="Restart the API or the worker when it crashes.",
    )
    access_log: Literal["off", "errors", "all"] = Field(
        default="errors",
        validation_alias="ACCESS_LOG",
        description="Requests that have a line in the log: `all`, those refused or failed (`errors`), or `off`.",
    )
    log_level: str = Field(
        default="info",
        validation_alias=AliasChoices("LOG_LEVEL", "MLX_OMNI_LOG_LEVEL"),
        description="`debug`, `info`, `warning`, `error` or `critical`.",
    )

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: str) -> str:
        if value and (urlsplit(value).scheme not in REDIS_SCHEMES or "://" not in value):
            raise ValueError("a redis://, rediss:// or unix:// address, or nothing for the embedded Redis")
        return value

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str) -> str:
        """Clients give `/v1` with the address; here it belongs to the paths."""
        parts = urlsplit(value.rstrip("/"))
        more = parts.username or parts.query or parts.fragment
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or more):
            raise ValueError("an http:// or https:// address without a query")
        return parts.geturl().removesuffix("/v1")

    @field_validator("hf_endpoint", "modelscope_endpoint")
    @classmethod
    def _check_endpoint(cls, value: str) -> str:
        address = value.rstrip("/") if "://" in value else f"https://{value.rstrip('/')}"
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("an http:// or https:// address")
        return address

    @field_validator("image_quantize", mode="before")
    @classmethod
    def _check_image_quantize(cls, value: object) -> int:
        if str(value).strip() not in ("0", "4", "8"):
            raise ValueError("0, 4 or 8")
        return int(str(value))

    @field_validator("log_level", mode="before")
    @classmethod
    def _check_log_level(cls, value: object) -> str:
        level = str(value).strip().lower()
        if level not in LOG_LEVELS:
            raise ValueError("one of " + ", ".join(LOG_LEVELS))
        return level

    @property
    def redis_socket(self) -> Path:
        """Where the embedded Redis listens."""
        return early.redis_socket(self.data_dir)

    @property
    def redis_address(self) -> str:
        """What redis.from_url() takes. It may hold a password: log `redis_label` instead."""
        return self.redis_url or f"unix://{quote(str(self.redis_socket))}"

    @property
    def redis_label(self) -> str:
        """The address without user, password and query: for logs and error messages."""
        parts = urlsplit(self.redis_address)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def public_host(self) -> str:
        """Host and port of `public_url`."""
        return urlsplit(self.public_url).netloc

    @property
    def max_body_bytes(self) -> int:
        return int(self.max_body_mb * 1024 * 1024)

    @property
    def blob_folder(self) -> Path:
        """Where the big inputs of jobs lie. API and worker share it."""
        return self.data_dir / "blobs"

    @property
    def view_folder(self) -> Path:
        """Where the worker keeps what libraries may see of models: links and small files."""
        return self.data_dir / "views"

    def may_hold_models(self, folder: Path) -> bool:
        """Whether the environment allows that models are kept in this folder: it lies below one that it names."""
        allowed = (self.data_dir, _hub_home(), self.hub_cache, *self.model_roots)
        return any(folder.resolve().is_relative_to(place.resolve()) for place in allowed)

    @property
    def disk_limit_bytes(self) -> int:
        return int(self.disk_limit_gb * 1024**3)

    @property
    def max_image_bytes(self) -> int:
        return int(self.max_image_mb * 1024 * 1024)

    @property
    def max_audio_bytes(self) -> int:
        return int(self.max_audio_mb * 1024 * 1024)

    @property
    def prompt_cache_bytes(self) -> int:
        return int(self.prompt_cache_mb * 1024 * 1024)


def variables(name: str) -> tuple[str, ...]:
    """The environment variables of a setting, the one that wins first."""
    alias = Settings.model_fields[name].validation_alias
    return tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (str(alias),)


def _stop(error: ValidationError) -> NoReturn:
    """One line on stderr for the first wrong setting (variable, value, what is allowed), and exit code 2."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = str(first["loc"][0])
    name = next(key for key in Settings.model_fields if where == key or where in variables(key))
    field = Settings.model_fields[name]
    variable = next((each for each in variables(name) if os.environ.get(each)), variables(name)[0])
    secret = name in ("api_keys", "admin_keys", "redis_url")
    shown = variable if secret else f"{variable}={os.environ.get(variable, '')!r}"
    allowed = bounds(field) or first["msg"].removeprefix("Value error, ")
    sys.stderr.write(f"mlxq: {shown} is wrong; allowed is {allowed}\n")
    raise SystemExit(2) from None


def load_settings() -> Settings:
    """The settings of this environment. A wrong one ends the process with one line and exit code 2."""
    try:
        return Settings()
    except ValidationError as error:
        _stop(error)
