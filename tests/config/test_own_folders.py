"""A folder that a setting names is a root of its own; its path is for the log alone."""

import json
import shutil
from pathlib import Path

import pytest

from config.settings import REPO, Settings
from jobs.kinds import Category
from mlxq.catalog import Catalog, Installed, UnknownModel

#: OminiX-API's documented trees, which have no config.json.
OMINIX = {
    "zimage": (
        *("transformer/model.safetensors", "text_encoder/model.safetensors"),
        *("vae/diffusion_pytorch_model.safetensors", "tokenizer/tokenizer.json"),
    ),
    "flux": (
        *("transformer/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"),
        *("text_encoder/model-00001-of-00002.safetensors", "text_encoder/model-00002-of-00002.safetensors"),
        "tokenizer/tokenizer.json",
    ),
}
LACKING = {
    "zimage": ("scheduler/scheduler_config.json", "transformer/config.json", "vae/config.json"),
    "flux": ("transformer/config.json", "text_encoder/config.json", "tokenizer/tokenizer_config.json"),
}


def catalog(tmp_path: Path, **settings: object) -> Catalog:
    (tmp_path / "root").mkdir(exist_ok=True)
    values = {"data_dir": tmp_path / "data", "model_roots": (tmp_path / "root",), **settings}
    return Catalog(Settings.model_validate({**values, "hf_hub_offline": True}))


def put(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3"}))
    (folder / "model.safetensors").write_bytes(bytes(100))
    return folder


@pytest.mark.parametrize("setting", ["zimage_model_dir", "flux_model_dir"])
def test_a_folder_for_pictures_is_found_by_all_its_names(tmp_path: Path, setting: str) -> None:
    """`IMAGE_MODEL=zimage ZIMAGE_MODEL_DIR=/any/folder`, as OminiX' users start it."""
    folder = tmp_path / "anywhere" / "my-images"
    shutil.copytree(REPO / "models" / "tiny-image", folder)
    name = setting.partition("_")[0]
    known = catalog(tmp_path, **{setting: str(folder), "image_model": name})
    default = known.default(Category.IMAGE)
    assert (default.path, default.category, default.fault) == (folder, "image", None)
    for each in (name, "default", default.id, str(folder)):
        assert known.resolve(each, Category.IMAGE).path == folder, each
    assert folder in [model.path for model in known.installed() if isinstance(model, Installed)]


@pytest.mark.parametrize("setting", ["llm_model", "draft_model", "embedding_model", "asr_model", "tts_model"])
def test_a_folder_that_a_setting_names_is_a_root(tmp_path: Path, setting: str) -> None:
    folder = put(tmp_path / "anywhere" / "mine")
    known = catalog(tmp_path, **{setting: str(folder)})
    for name in ("mine", str(folder)):
        assert known.resolve(name).path == folder
    put(tmp_path / "anywhere" / "other")
    with pytest.raises(UnknownModel):
        known.resolve(str(tmp_path / "anywhere" / "other"))


@pytest.mark.parametrize("name", OMINIX)
def test_a_tree_that_lacks_files_says_which(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "home" / "models" / name
    for file in OMINIX[name]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(bytes(100))
    known = catalog(tmp_path, **{f"{name}_model_dir": str(folder), "image_model": name})
    ref = known.resolve(name, Category.IMAGE)
    assert (ref.id, ref.category) == (name, "image")
    assert ref.fault is not None
    assert ref.fault.code == "model_incomplete"
    (line,) = [each.getMessage() for each in caplog.records if str(folder) in each.getMessage()]
    for file in LACKING[name]:
        assert file in ref.fault.reason
        assert file in line
    assert str(tmp_path) not in ref.fault.reason
    (model,) = [model for model in known.installed() if isinstance(model, Installed) and model.path == folder]
    assert model.fault == ref.fault


def test_no_message_holds_a_path_of_the_user(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere" / "model"
    settings = {f"{each}_model": str(nowhere) for each in ("llm", "asr", "tts", "embedding")}
    known = catalog(
        tmp_path, image_model="zimage", zimage_model_dir=str(nowhere), flux_model_dir=str(nowhere), **settings
    )
    asked = [("default", each) for each in ("llm", "asr", "tts", "embedding", "image")]
    for name, category in (*asked, ("zimage", "image"), ("flux", "image")):
        with pytest.raises(UnknownModel) as refused:
            known.resolve(name, Category(category))
        assert str(tmp_path) not in str(refused.value), (name, category)
