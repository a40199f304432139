"""What names of a hub mean: installed, to be fetched, or unknown; and what is remembered of models."""

from pathlib import Path
from typing import Any

import pytest

from config.settings import Settings
from mlxq.catalog import Catalog, UnknownModel, is_hub_id
from mlxq.catalog.records import Records


def put(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "qwen3"}')
    (folder / "model.safetensors").write_bytes(b"x")
    return folder


def cache(folder: Path, name: str) -> Path:
    repository = folder / "hub" / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    return put(repository / "snapshots" / "abc")


def catalog(folder: Path, **more: Any) -> Catalog:
    return Catalog(
        Settings(data_dir=folder / "data", model_roots=(folder / "root",), hub_cache=folder / "hub", **more)
    )


def test_what_is_not_here_is_fetched_unless_that_is_off(tmp_path: Path) -> None:
    assert catalog(tmp_path).resolve("org/model").path is None
    for setting, said in (("auto_download", False), ("hf_hub_offline", True)):
        with pytest.raises(UnknownModel, match=setting.upper()):
            catalog(tmp_path, **{setting: said}).resolve("org/model")
    path = cache(tmp_path, "org/model")
    for each in (catalog(tmp_path), catalog(tmp_path, auto_download=False, hf_hub_offline=True)):
        assert each.resolve("org/model").path == path


@pytest.mark.parametrize(
    "name", ["short", "org/", "/name", "a/b/c", "org/..", "../org", "org/na--me", "org/näme", "org/na me", ""]
)
def test_what_no_hub_has_is_never_looked_for(name: str) -> None:
    assert not is_hub_id(name)


def test_a_given_name_means_the_model_until_it_is_deleted(tmp_path: Path) -> None:
    known = catalog(tmp_path)
    path = cache(tmp_path, "org/model")
    Records(tmp_path / "data").change(lambda each: each.named("mine", "org/model"))
    assert (known.resolve("mine").id, known.resolve("mine").path) == ("org/model", path)
    # Another process sees it too.
    assert catalog(tmp_path).resolve("mine").id == "org/model"
    Records(tmp_path / "data").change(lambda each: each.deleted("org/model", files_stay=True))
    with pytest.raises(UnknownModel):
        known.resolve("mine")
    assert known.resolve("org/model").path is None, "it is forgotten: whoever wants it fetches it again"


def test_only_what_was_fetched_is_listed_of_a_cache_outside_the_roots(tmp_path: Path) -> None:
    known = catalog(tmp_path)
    cache(tmp_path, "org/others")
    cache(tmp_path, "org/ours")
    put(tmp_path / "root" / "local")
    Records(tmp_path / "data").change(lambda each: each.installed("org/ours", {"source": "huggingface"}))
    assert [model.id for model in known.installed()] == ["local", "org/ours"]
    Records(tmp_path / "data").change(lambda each: each.deleted("local", files_stay=True))
    assert [model.id for model in known.installed()] == ["org/ours"]
    left = known.left_behind("local")
    assert left is not None
    assert left.path == tmp_path / "root" / "local"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"models": 3}', '{"names": {"a": "b"}, "forgotten": 3}'])
def test_records_that_can_not_be_read_count_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "models.json").write_text(content)
    records = Records(tmp_path)
    assert records.read().names == {}
    records.change(lambda each: each.named("mine", "org/model"))
    assert Records(tmp_path).read().names == {"mine": "org/model"}


@pytest.mark.parametrize(
    "name",
    [
        "MODEL-4bit",
        "org/model-4bit",
        "Org/Model-4bit:latest",
        "model-4BIT:latest",
        "Org/Model-4bit/",
        "hf.co/Org/Model-4bit",
        "hf.co/org/model-4bit:latest",
        "https://huggingface.co/Org/Model-4bit",
        "HTTPS://HuggingFace.co/Org/Model-4bit/",
    ],
)
def test_a_model_is_found_as_other_programs_write_its_name(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / "root" / "Org" / "Model-4bit")
    assert catalog(tmp_path).resolve(name).path == path


def test_letters_count_where_several_models_differ_by_them(tmp_path: Path) -> None:
    for name in ("a/Model", "b/model", "c/other"):
        put(tmp_path / "root" / name)
    known = catalog(tmp_path)
    assert (known.resolve("Model").id, known.resolve("model").id) == ("a/Model", "b/model")
    with pytest.raises(UnknownModel, match="ambiguous: a/Model, b/model"):
        known.resolve("MODEL")
    put(tmp_path / "root" / "model")
    assert (known.resolve("MODEL").id, known.resolve("A/MODEL").id) == ("model", "a/Model")


@pytest.mark.parametrize("name", ["MODEL-4bit:latest", "hf.co/Org/Model-4bit", "Org/Model-4bit/"])
def test_a_setting_may_be_written_so_too(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / "root" / "Org" / "Model-4bit")
    assert catalog(tmp_path, llm_model=name).resolve("default").path == path


@pytest.mark.parametrize("name", ["/", "//", ":latest", "hf.co/", "https://hf.co/:latest"])
def test_nothing_but_decoration_is_no_default(tmp_path: Path, name: str) -> None:
    put(tmp_path / "root" / "model")
    with pytest.raises(UnknownModel):
        catalog(tmp_path).resolve(name)


def test_a_model_that_is_not_here_is_fetched_by_its_address(tmp_path: Path) -> None:
    for name in ("hf.co/org/model", "https://huggingface.co/org/model/", "hf.co/org/model:latest"):
        assert catalog(tmp_path).resolve(name).id == "org/model"


def test_a_wrong_setting_hides_no_model_of_another_category(tmp_path: Path) -> None:
    path = put(tmp_path / "root" / "hears")
    (path / "config.json").write_text('{"model_type": "whisper"}')
    known = catalog(tmp_path, llm_model="not-there")
    assert known.resolve("hears").path == path
