"""A model's folder that can't be read harms nobody else's model, and can be deleted."""

import os
from pathlib import Path

import httpx
import pytest

from mlxq.catalog.installed import installed_models
from tests.api.conftest import MakeSettings
from tests.support.api_server import ApiServer
from tests.support.scripted_worker import ScriptedWorker

EMPTY = b"\x02\0\0\0\0\0\0\0{}"
QWEN = b'{"model_type": "qwen3"}'
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}


def config(content: bytes) -> dict[str, bytes]:
    return {"config.json": content, "model.safetensors": EMPTY}


def header(content: bytes) -> dict[str, bytes]:
    return {"config.json": QWEN, "model.safetensors": len(content).to_bytes(8, "little") + content}


#: A model that can be used, whatever its files say of themselves.
ODD = {
    "context of 10**30": config(b'{"model_type": "qwen3", "max_position_embeddings": 1' + b"0" * 30 + b"}"),
    "numbers of 10**30": config(b'{"model_type": "qwen3", "quantization": {"bits": 1' + b"0" * 30 + b"}}"),
    "nested header": header(b"[" * 200_000),
    "Infinity in a header": header(b'{"a": {"data_offsets": [0, Infinity]}}'),
    "10**400 in a header": header(b'{"a": {"data_offsets": [0, 1' + b"0" * 400 + b"]}}"),
    "a header of one number": header(b"7"),
    "a header of wrong types": header(b'{"a": {"data_offsets": ["0", {}]}, "b": []}'),
    "a longer header than the file": {"config.json": QWEN, "model.safetensors": b"\xff" * 8},
    "negative offsets": header(b'{"a": {"data_offsets": [10, 0], "shape": [-5]}}'),
    "nested index": {**config(QWEN), "model.safetensors.index.json": b"[" * 100_000},
    "an index of wrong types": {
        **config(QWEN),
        "model.safetensors.index.json": b'{"weight_map": {"a": [{}]}}',
    },
    "an index that leads out": {
        **config(QWEN),
        "model.safetensors.index.json": b'{"weight_map": {"a": "../x"}}',
    },
    "NUL in an index": {**config(QWEN), "model.safetensors.index.json": b'{"weight_map": {"a": "\\u0000"}}'},
}
#: A model that can't.
BAD = {
    "nested": config(b"[" * 100_000),
    "nested objects": config(b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "no JSON": config(b"{"),
    "a list": config(b"[]"),
    "a number": config(b"1"),
    "model_type a dict": config(b'{"model_type": {}}'),
    "model_type a list": config(b'{"model_type": ["a"]}'),
    "model_type of a megabyte": config(b'{"model_type": "' + b"a" * (1 << 20) + b'"}'),
    "half a surrogate pair": config(b'{"model_type": "\\ud800"}'),
    "half a pair in architectures": config(b'{"model_type": "qwen3", "architectures": ["\\ud800Model"]}'),
    "architectures of dicts": config(b'{"model_type": "qwen3", "architectures": [{}]}'),
    "NaN": config(b'{"model_type": "qwen3", "rope_theta": NaN}'),
    "a key twice": config(b'{"model_type": "qwen3", "model_type": "llama"}'),
    "no UTF-8": config(b'{"model_type": "\xff"}'),
    "too long": config(b'{"model_type": "qwen3", "x": "' + b"a" * (5 << 20) + b'"}'),
}
#: Pictures, sound and voices: files of other names.
PARTS = {
    "nested model_index": {"model_index.json": b"[" * 100_000, "transformer/config.json": b"{}"},
    "pictures of wrong types": {"model_index.json": b'{"_class_name": {}}', "transformer/config.json": b"[]"},
    "voices of wrong types": config(b'{"model_type": "qwen3_tts", "talker_config": {"spk_id": [1]}}'),
}


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def well(http: httpx.Client) -> dict[str, dict[str, object]]:
    """Check that other models are listed, resolved and found; what is listed."""
    listed = http.get("/v1/models")
    assert listed.status_code == 200, listed.text
    for path in ("/v1/models/tiny", "/v1/system/status", "/v1/models/status", "/v1/manager/models"):
        answer = http.get(path)
        assert answer.status_code == 200, (path, answer.text)
    return {row["id"]: row for row in listed.json()["data"]}


@pytest.mark.parametrize("name", [*ODD, *PARTS])
def test_odd_files_break_nothing(http: httpx.Client, model_root: Path, name: str) -> None:
    put(model_root / "poison", {**ODD, **PARTS}[name])
    rows = well(http)
    assert {"tiny", "org/other"} <= rows.keys()
    answer = http.get("/v1/models/poison")
    assert answer.status_code == (200 if "poison" in rows else 404), answer.text
    if "poison" in rows:
        assert 0 <= answer.json()["size_bytes"] < 10 << 20
        assert http.delete("/v1/models/poison").status_code == 200
        assert not (model_root / "poison").exists()


@pytest.mark.parametrize("name", BAD)
def test_a_model_that_can_not_be_read_says_so_and_can_be_deleted(
    http: httpx.Client, worker: ScriptedWorker, model_root: Path, name: str
) -> None:
    put(model_root / "poison", BAD[name])
    rows = well(http)
    assert rows["poison"]["status"] == "error"
    details = http.get("/v1/models/poison").json()
    assert "config.json" in details["error_message"]
    refused = http.post("/v1/chat/completions", json={**CHAT, "model": "poison"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unsupported_model")
    assert str(model_root) not in refused.text + str(details)
    assert worker.runs == []
    assert http.delete("/v1/models/poison").status_code == 200
    assert not (model_root / "poison").exists()
    assert "poison" not in well(http)


def test_names_and_kinds_of_files_that_are_no_models(http: httpx.Client, model_root: Path) -> None:
    raw = os.fsencode(model_root) + b"/bad\xff"
    os.makedirs(raw)
    for name, content in config(QWEN).items():
        with open(raw + b"/" + name.encode(), "wb") as file:
            file.write(content)
    os.makedirs(os.fsencode(model_root) + b"/models--org--\xff/refs")
    (model_root / "models--org--refs" / "refs").mkdir(parents=True)
    (model_root / "models--org--refs" / "refs" / "main").write_bytes(b"../../../tiny")
    (model_root / "models--org--bytes" / "refs").mkdir(parents=True)
    (model_root / "models--org--bytes" / "refs" / "main").write_bytes(b"\xff\0")
    (model_root / "round").symlink_to(model_root / "round")
    (model_root / "pipe").mkdir()
    (model_root / "pipe" / "model.safetensors").write_bytes(EMPTY)
    os.mkfifo(model_root / "pipe" / "config.json")
    (model_root / "pipes").mkdir()
    (model_root / "pipes" / "config.json").write_bytes(QWEN)
    os.mkfifo(model_root / "pipes" / "model.safetensors")
    put(model_root / "voices", {**config(b'{"model_type": "kokoro"}'), "voices/af.safetensors": EMPTY})
    with open(os.fsencode(model_root) + b"/voices/voices/\xff.safetensors", "wb") as file:
        file.write(EMPTY)
    rows = well(http)
    assert rows.keys() >= {"tiny", "org/other", "voices", "pipes"}
    assert not [each for each in rows if "bad" in each or "org/refs" in each or "org/bytes" in each]
    assert http.get("/v1/models/voices").status_code == 200
    assert http.get("/v1/audio/voices", params={"model": "voices"}).status_code in (200, 404)


def test_a_folder_that_may_not_be_read_is_passed_over(
    http: httpx.Client, model_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(model_root / "locked", config(QWEN))
    put(model_root / "group" / "inner", config(QWEN))
    scandir, is_file = os.scandir, Path.is_file

    def denied(path: str | Path) -> object:
        if "group" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    def hidden(path: Path) -> bool:
        if "locked" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(os, "scandir", denied)
    monkeypatch.setattr(Path, "is_file", hidden)
    assert {"tiny", "org/other"} <= well(http).keys()


def test_a_bad_model_of_the_same_name_is_in_nobodys_way(
    make_settings: MakeSettings, worker: ScriptedWorker, model_root: Path
) -> None:
    put(model_root / "org" / "mine", config(QWEN))
    put(model_root / "evil" / "mine", BAD["NaN"])
    with ApiServer(make_settings()) as api:
        answer = httpx.post(f"{api.url}/v1/chat/completions", json={**CHAT, "model": "mine"})
        assert answer.status_code == 200, answer.text


# -- links -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path, model_root: Path) -> Path:
    """A model on another disk, linked into the roots."""
    put(tmp_path / "disk" / "big", config(QWEN))
    (model_root / "linked").symlink_to(tmp_path / "disk" / "big")
    return tmp_path / "disk" / "big"


def test_a_link_out_of_the_roots_is_named_in_the_log(
    model_root: Path, disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        assert "linked" not in [model.id for model in installed_models((model_root,))]
    (line,) = [record.getMessage() for record in caplog.records if "linked" in record.getMessage()]
    assert str(model_root / "linked") in line
    assert "MODEL_LINKS=1" in line


def test_links_are_followed_where_the_user_says_so(
    make_settings: MakeSettings, worker: ScriptedWorker, model_root: Path, disk: Path
) -> None:
    with ApiServer(make_settings(model_links=True)) as api, httpx.Client(base_url=api.url) as http:
        assert "linked" in well(http)
        for name in ("linked", str(model_root / "linked")):
            assert http.post("/v1/chat/completions", json={**CHAT, "model": name}).status_code == 200
        assert http.post("/v1/chat/completions", json={**CHAT, "model": str(disk)}).status_code == 404
        assert http.delete("/v1/models/linked").status_code == 200
        assert disk.is_dir(), "the link goes, and not what it leads to"
        assert not (model_root / "linked").is_symlink()


# -- roots -----------------------------------------------------------------------------------------------------------


def test_a_root_is_never_deleted(
    make_settings: MakeSettings, worker: ScriptedWorker, model_root: Path
) -> None:
    """One root may lie in another, and look like a model itself."""
    put(model_root / "nested", config(QWEN))
    put(model_root / "nested" / "inner", config(QWEN))
    with ApiServer(make_settings(model_roots=(model_root, model_root / "nested"))) as api:
        assert httpx.delete(f"{api.url}/v1/models/nested").status_code == 403
        assert (model_root / "nested" / "config.json").exists()
        assert httpx.delete(f"{api.url}/v1/models/inner").status_code == 200
