"""One download after another from a hub that misbehaves: what ends up on the disk is whole, or it is not there."""

import asyncio
import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import snapshot_download

from config.settings import Settings
from jobs.errors import (
    Forbidden,
    HubUnavailable,
    InsufficientStorage,
    InvalidRequest,
    MlxqError,
    ModelNotFound,
)
from jobs.events import ProgressState
from mlxq.catalog import Catalog, UnknownModel
from mlxq.catalog.installed import cached_model
from mlxq.catalog.records import Records
from mlxq.downloads import fetch
from mlxq.downloads.download import download
from mlxq.downloads.sources import RemoteFile
from mlxq.downloads.store import Store
from tests.support.events import plain
from tests.support.hub import Hub

SIZE = 600_000
CONFIG = b'{"model_type": "qwen3"}'


@pytest.fixture(scope="module")
def the_hub() -> Iterator[Hub]:
    with Hub() as hub:
        yield hub


@pytest.fixture
def hub(the_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setattr(fetch, "PAUSE", 0.01)
    the_hub.forget()
    the_hub.private, the_hub.gated = {}, set()
    the_hub.models = {}
    the_hub.add("org/model", files())
    return the_hub


@pytest.fixture
def settings(the_hub: Hub, tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        hub_cache=tmp_path / "cache",
        model_roots=(tmp_path / "roots",),
        hf_endpoint=the_hub.url,
        modelscope_endpoint=the_hub.url,
    )


def files(**more: bytes) -> dict[str, bytes]:
    return {"config.json": CONFIG, "sub/deep.json": b"{}", "model.safetensors": os.urandom(SIZE), **more}


def test_a_file_that_another_download_brings_meanwhile_is_not_fetched_again(tmp_path: Path) -> None:
    """It is brought between this download's look and its open: 23 bytes were counted twice so, under load."""
    store = Store(tmp_path, "org/model")
    store.prepare()
    file = RemoteFile(path="config.json", size=len(CONFIG), blob="0123", url="http://127.0.0.1:9/none")
    assert not store.has(file)
    other, ours = store.partial(file), store.partial(file)
    assert other.open()
    assert not ours.open(), "it is locked"
    other.write(CONFIG)
    other.keep()
    other.close()
    assert not ours.open(), "it is here"
    assert store.has(file)
    assert [path.name for path in (store.folder / "blobs").iterdir()] == ["0123"]


def run(settings: Settings, name: str = "org/model", source: str = "huggingface") -> dict[str, Any]:
    async def report(state: ProgressState) -> None:
        assert 0 <= state.done <= state.total

    result: dict[str, Any] = plain(asyncio.run(download(settings, name, source, report)))
    return result


def installed(settings: Settings, name: str = "org/model") -> Path | None:
    try:
        return Catalog(settings).resolve(name).path
    except UnknownModel:
        return None


def assert_whole(settings: Settings, hub: Hub, name: str = "org/model") -> None:
    path = installed(settings, name)
    assert path is not None
    for file in hub.models[name].values():
        assert (path / file.path).read_bytes() == file.content
    assert not list(settings.hub_cache.rglob("*.incomplete"))


def test_the_stand_in_is_a_hub_for_the_hubs_own_library(hub: Hub, tmp_path: Path) -> None:
    path = Path(snapshot_download("org/model", endpoint=hub.url, cache_dir=tmp_path, token=False))
    assert {str(each.relative_to(path)) for each in path.rglob("*.*")} == set(hub.models["org/model"])
    assert (path / "model.safetensors").read_bytes() == hub.models["org/model"]["model.safetensors"].content


def test_what_is_fetched_is_found_by_the_hubs_own_library(hub: Hub, settings: Settings) -> None:
    result = run(settings)
    assert result["fetched_bytes"] == result["bytes"] == SIZE + len(CONFIG) + 2
    assert_whole(settings, hub)
    again = snapshot_download("org/model", cache_dir=settings.hub_cache, local_files_only=True)
    assert Path(again) == installed(settings)


def test_what_is_here_is_not_fetched_again(hub: Hub, settings: Settings) -> None:
    run(settings)
    assert run(settings)["fetched_bytes"] == 0
    hub.models["org/model"]["config.json"].content = b'{"model_type": "qwen3", "new": true}'
    assert run(settings)["fetched_bytes"] == len(b'{"model_type": "qwen3", "new": true}')
    assert_whole(settings, hub)
    assert hub.counts()["model.safetensors"] == 1


def test_connections_that_break_are_gone_on_with(hub: Hub, settings: Settings) -> None:
    # More often than it would be tried in vain: each time something comes.
    hub.faults.drops = [SIZE // 10] * 9
    hub.models["org/model"].pop("sub/deep.json")
    hub.add(
        "org/model",
        {"model.safetensors": hub.models["org/model"]["model.safetensors"].content, "config.json": b"{}"},
    )
    run(settings)
    assert_whole(settings, hub)
    assert hub.sent("model.safetensors") == SIZE


def test_a_slow_hub_is_waited_for(hub: Hub, settings: Settings) -> None:
    hub.faults.slow = (60_000, 0.02)
    run(settings)
    assert_whole(settings, hub)


def test_a_hub_that_knows_no_ranges_is_asked_for_everything_again(hub: Hub, settings: Settings) -> None:
    hub.faults.no_ranges = True
    hub.faults.drops = [SIZE // 2, SIZE // 2, SIZE // 2]
    run(settings)
    assert_whole(settings, hub)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_in_trouble_is_asked_again(hub: Hub, settings: Settings, status: int) -> None:
    hub.faults.answers = [(status, {"Retry-After": "0"} if status == 429 else {})] * 3
    run(settings)
    assert_whole(settings, hub)


@pytest.mark.parametrize("status", [429, 500])
def test_a_hub_that_stays_in_trouble_is_given_up(hub: Hub, settings: Settings, status: int) -> None:
    hub.faults.answers = [(status, {"Retry-After": "0"} if status == 429 else {})] * 100
    with pytest.raises(HubUnavailable) as trouble:
        run(settings)
    assert str(status) in trouble.value.message
    assert installed(settings) is None


def test_a_hub_that_is_not_there(hub: Hub, settings: Settings) -> None:
    with pytest.raises(HubUnavailable) as trouble:
        run(settings.model_copy(update={"hf_endpoint": "http://127.0.0.1:1"}))
    assert "out of reach" in trouble.value.message
    assert "127.0.0.1" not in trouble.value.message


@pytest.mark.parametrize("path", ["model.safetensors", "config.json"])
def test_a_wrong_checksum_is_never_installed(hub: Hub, settings: Settings, path: str) -> None:
    file = hub.models["org/model"][path]
    file.served = file.content[:-1] + b"?"
    with pytest.raises(HubUnavailable) as wrong:
        run(settings)
    assert "checksum" in wrong.value.message
    assert installed(settings) is None
    assert not any(blob.read_bytes() == file.served for blob in settings.hub_cache.rglob("blobs/*"))
    # What was right is kept, what was wrong is not gone on with.
    file.served = None
    run(settings)
    assert_whole(settings, hub)


def test_a_wrong_checksum_may_be_an_accident(hub: Hub, settings: Settings) -> None:
    """What an earlier try left is spoilt: it is noticed, and everything comes again."""
    hub.faults.drops = [SIZE // 2] * 3
    hub.faults.answers = []
    run(settings)
    snapshot = installed(settings)
    assert snapshot is not None
    blob = (snapshot / "model.safetensors").resolve()
    (blob.parent / f"{blob.name}.mlxq.incomplete").write_bytes(b"?" * 1000)
    blob.unlink()
    run(settings)
    assert_whole(settings, hub)


def test_more_or_less_than_was_said_is_never_installed(hub: Hub, settings: Settings) -> None:
    file = hub.models["org/model"]["model.safetensors"]
    for served in (file.content + b"more", file.content[:1000]):
        file.served = served
        with pytest.raises(HubUnavailable):
            run(settings)
        assert installed(settings) is None
    file.served = None
    run(settings)
    assert_whole(settings, hub)


def test_private_and_gated_models_need_a_token(hub: Hub, settings: Settings) -> None:
    hub.private["org/model"] = "hf_right"
    with pytest.raises(ModelNotFound) as missing:
        run(settings)
    assert "HF_TOKEN" in missing.value.message
    wrong = Settings(**{**settings.model_dump(), "hf_token": "hf_wrong"})
    with pytest.raises(ModelNotFound) as refused:
        run(wrong)
    assert "hf_wrong" not in refused.value.message

    hub.forget()
    run(Settings(**{**settings.model_dump(), "hf_token": "hf_right"}))
    assert_whole(settings, hub)
    elsewhere = [asked for asked in hub.requests if asked.path.startswith("/cdn/")]
    assert elsewhere
    assert not any(asked.authorization for asked in elsewhere), "the token went to another host"

    hub.add("org/gated", files())
    hub.gated.add("org/gated")
    with pytest.raises(Forbidden) as gated:
        run(settings, "org/gated")
    assert "terms" in gated.value.message


def test_a_model_that_does_not_exist(hub: Hub, settings: Settings) -> None:
    with pytest.raises(ModelNotFound):
        run(settings, "org/nothing")
    with pytest.raises(ModelNotFound):
        run(settings, "org/nothing", "modelscope")


def test_a_model_that_can_not_fit_is_not_begun(
    hub: Hub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(settings.hub_cache.parent)._replace(free=SIZE)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: free)
    with pytest.raises(InsufficientStorage) as full:
        run(settings)
    assert "0.6 MB" in full.value.message
    assert not hub.counts()


def test_a_disk_that_gets_full_keeps_what_came(hub: Hub, settings: Settings) -> None:
    """The system itself refuses to write more, in the middle of a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 2, hard))
    try:
        with pytest.raises(InsufficientStorage):
            run(settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert installed(settings) is None
    result = run(settings)
    assert result["resumed_bytes"] >= SIZE // 2
    assert_whole(settings, hub)


def test_only_what_mlx_can_use_is_fetched(hub: Hub, settings: Settings) -> None:
    hub.add(
        "org/mixed",
        files(
            **{
                "pytorch_model.bin": b"x" * 5000,
                "onnx/model.onnx": b"x" * 5000,
                "original/params.json": b"{}",
                "modeling.py": b"import os",
                "consolidated.safetensors": b"x" * 5000,
                "tokenizer.model": b"t" * 5000,
                "voices/a.pt": b"v" * 10,
            }
        ),
    )
    run(settings, "org/mixed")
    path = installed(settings, "org/mixed")
    assert path is not None
    names = {str(each.relative_to(path)) for each in path.rglob("*") if each.is_file()}
    assert names == {"config.json", "sub/deep.json", "model.safetensors", "tokenizer.model", "voices/a.pt"}

    hub.add("org/gguf", {"model.gguf": b"x" * 5000, "config.json": CONFIG})
    with pytest.raises(InvalidRequest):
        run(settings, "org/gguf")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("config.json", b"{", "is not valid JSON"),
        ("config.json", b"[]", "is no object"),
        ("config.json", b'{"model_type": {}}', "model_type"),
        ("config.json", b'{"model_type": "qwen3", "model_file": "code.py"}', "code of its own"),
        ("tokenizer_config.json", b'{"x": NaN}', "holds NaN"),
        ("sub/config.json", b"[" * 5000, "is nested too deeply"),
    ],
)
def test_what_can_not_be_used_is_refused_and_kept_apart(
    hub: Hub, settings: Settings, name: str, content: bytes, reason: str
) -> None:
    hub.add("org/broken", files(**{name: content}))
    with pytest.raises(InvalidRequest, match=reason) as refused:
        run(settings, "org/broken")
    assert refused.value.code == "unsupported_model"
    assert name in refused.value.message
    assert "org/broken" not in Records(settings.data_dir).read().models
    assert cached_model(settings.hub_cache, "org/broken") is None
    assert hub.sent("model.safetensors") == 0, "its weights were fetched"
    # What its authors mend is fetched, and installed.
    hub.models["org/broken"][name].content = CONFIG
    run(settings, "org/broken")
    assert installed(settings, "org/broken") is not None


def test_a_log_of_a_training_may_hold_anything(hub: Hub, settings: Settings) -> None:
    hub.add("org/logged", files(**{"trainer_state.json": b'{"loss": NaN}'}))
    run(settings, "org/logged")
    assert installed(settings, "org/logged") is not None


def test_of_all_sizes_of_an_f5_tts_the_best_is_fetched(hub: Hub, settings: Settings) -> None:
    sizes = ("model", "model_8b", "model_v1", "model_v1_4b", "model_v1_8b")
    hub.add(
        "org/f5",
        {f"{name}.safetensors": name.encode() for name in (*sizes, "duration_v2")} | {"vocab.txt": b"a"},
    )
    run(settings, "org/f5")
    path = installed(settings, "org/f5")
    assert path is not None
    assert {each.name for each in path.iterdir()} == {
        "duration_v2.safetensors",
        "model_v1.safetensors",
        "vocab.txt",
    }


@pytest.mark.parametrize("path", ["../../../evil.json", "/etc/evil.json", "a//b.json", "a/../../b.json"])
def test_names_that_lead_out_of_the_cache_are_refused(hub: Hub, settings: Settings, path: str) -> None:
    hub.add("org/evil", files(**{path: b"{}"}))
    for source in ("huggingface", "modelscope"):
        with pytest.raises(MlxqError):
            run(settings, "org/evil", source)
    assert installed(settings, "org/evil") is None
    assert not list(settings.hub_cache.parent.rglob("*evil.json"))


def test_modelscope_is_a_source_too(hub: Hub, settings: Settings) -> None:
    private = Settings(**{**settings.model_dump(), "modelscope_token": "ms_secret"})
    hub.faults.drops = [SIZE // 3] * 3
    result = run(private, source="modelscope")
    assert result["source"] == "modelscope"
    assert_whole(settings, hub)
    assert hub.sent("model.safetensors") == SIZE
    assert all("m_session_id=ms_secret" in str(asked.cookie) for asked in hub.requests)


def test_two_downloads_of_one_model_share_the_work(hub: Hub, settings: Settings) -> None:
    """Two servers on one cache: what one fetches the other waits for."""
    hub.faults.slow = (60_000, 0.02)

    async def both() -> list[dict[str, Any]]:
        async def report(state: ProgressState) -> None:
            pass

        both = (download(settings, "org/model", "huggingface", report) for _ in range(2))
        return [plain(result) for result in await asyncio.gather(*both)]

    results = asyncio.run(both())
    assert_whole(settings, hub)
    assert hub.sent("model.safetensors") == SIZE
    assert sum(result["fetched_bytes"] for result in results) == results[0]["bytes"]


def test_half_of_split_weights_is_no_model(settings: Settings, tmp_path: Path) -> None:
    """As other programs leave it in the hub's cache: `refs/main` is there before the files are."""
    repository = settings.hub_cache / "models--org--split"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    (snapshot / "config.json").write_bytes(CONFIG)
    for number in range(1, 4):
        assert installed(settings, "org/split") is None
        (snapshot / f"model-{number:05}-of-00003.safetensors").write_bytes(b"x")
    assert installed(settings, "org/split") == snapshot
