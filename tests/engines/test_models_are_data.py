"""A model is data: code in its folder is never run, whatever library loads it and wherever the code is named."""

import gc
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import mlx.core as mx
import mlx_vlm.models
import pytest
from mlx_vlm.utils import load_processor

from config.settings import REPO, Settings
from jobs.errors import InvalidRequest, MlxqError
from jobs.kinds import Category
from mlxq.catalog import Catalog, ModelRef
from tests.support.adapters import random_adapter
from tests.support.asr_checkpoints import random_parakeet, random_qwen3_asr, random_sensevoice, random_whisper
from tests.support.checkpoints import random_qwen3
from tests.support.f5_tts import random_f5_tts, random_vocoder
from tests.support.family_checkpoints import family_checkpoint
from tests.support.got_checkpoint import random_got
from tests.support.image_checkpoints import random_flux2, random_z_image
from tests.support.minilm import put_minilm
from tests.support.paraformer_checkpoint import paraformer_checkpoint
from tests.support.payloads import typed
from tests.support.planted import UNSOUND, plant, unsound, with_model_file
from tests.support.rerankers import random_cross_encoder, random_qwen3_reranker
from tests.support.tts_checkpoints import random_indextts, random_qwen3_tts
from tests.support.vision_checkpoints import random_gemma3, random_qwen2_vl, random_qwen3_vl
from worker.engines import ENGINES
from worker.guard import opened_folder
from worker.guard.libraries import disable_model_code

pytestmark = pytest.mark.filterwarnings("ignore")

#: A folder of each family that can be loaded here: its category, and who makes it below a folder.
FAMILIES: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "chat": ("llm", lambda root: random_qwen3(root / "chat")),
    "chat of our own code": ("llm", lambda root: family_checkpoint(root / "sala", "minicpm-sala")),
    "vision got": ("llm", lambda root: random_got(root / "got")),
    "vision qwen2_vl": ("llm", lambda root: random_qwen2_vl(root / "qwen2-vl")),
    "vision qwen3_vl": ("llm", lambda root: random_qwen3_vl(root / "qwen3-vl")),
    "vision gemma3": ("llm", lambda root: random_gemma3(root / "gemma3")),
    "embedding": ("embedding", put_minilm),
    "embedding cross-encoder": ("embedding", lambda root: random_cross_encoder(root / "ranker")),
    "embedding qwen3-reranker": ("embedding", lambda root: random_qwen3_reranker(root / "reranker")),
    "asr whisper": ("asr", lambda root: random_whisper(root / "whisper")),
    "asr parakeet": ("asr", lambda root: random_parakeet(root / "parakeet")),
    "asr qwen3": ("asr", lambda root: random_qwen3_asr(root / "qwen3-asr")),
    "asr sensevoice": ("asr", lambda root: random_sensevoice(root / "sensevoice")),
    "asr paraformer": ("asr", lambda root: paraformer_checkpoint(root / "paraformer", 0)),
    "tts qwen3": ("tts", lambda root: random_qwen3_tts(root / "qwen3-tts")),
    "tts indextts": ("tts", lambda root: random_indextts(root / "indextts")),
    "tts f5": ("tts", lambda root: _f5(root)),
    "image z-image": ("image", lambda root: random_z_image(root / "z-image")),
    "image flux2": ("image", lambda root: random_flux2(root / "flux2")),
}
#: Families that name a tokenizer or a processor: there are files to name code in.
NAMING = [name for name in FAMILIES if name not in ("asr whisper", "asr paraformer", "tts f5")]
#: mlx-vlm's families whose files say anything of code that comes with a model.
_MODELS = Path(str(mlx_vlm.models.__file__)).parent
ASKING = sorted(
    folder.name
    for folder in _MODELS.iterdir()
    if folder.is_dir() and any("trust_remote_code" in file.read_text() for file in folder.rglob("*.py"))
)


def _f5(root: Path) -> Path:
    random_vocoder(root / "vocos-mel-24khz")
    return random_f5_tts(root / "f5")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], Path]:
    """A copy of a family's folder, which is made once."""
    root = tmp_path_factory.mktemp("made")
    folders: dict[str, Path] = {}

    def copy(family: str, target: Path) -> Path:
        if family not in folders:
            folders[family] = FAMILIES[family][1](root / family.replace(" ", "-"))
        source = folders[family]
        shutil.copytree(source.parent, target, dirs_exist_ok=True)
        return target / source.name

    return copy


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some families fetch a tokenizer of another repository."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "ran"


@pytest.fixture
def settings(root: Path, tmp_path: Path) -> Settings:
    return Settings.model_validate(
        {"model_roots": (root,), "data_dir": tmp_path / "data", "auto_download": False}
    )


def load(category: str, folder: Path, settings: Settings) -> MlxqError | None:
    """Load the model by the worker's own loader; the error when it can't be."""
    try:
        engine = ENGINES[Category(category)](ModelRef(folder.name, folder), settings)
    except MlxqError as error:
        return error
    engine.close()
    del engine
    gc.collect()
    mx.clear_cache()
    return None


@pytest.mark.parametrize("family", FAMILIES)
def test_code_in_a_folder_is_not_run_and_the_model_loads(
    family: str, made: Callable[[str, Path], Path], root: Path, marker: Path, settings: Settings
) -> None:
    folder = made(family, root)
    for place in (path for path in root.iterdir() if path.is_dir()):
        plant(place, marker)
    error = load(FAMILIES[family][0], folder, settings)
    assert not marker.exists()
    assert error is None, error.message
    assert not list(settings.view_folder.iterdir()), "a view was left behind"


@pytest.mark.parametrize("family", NAMING)
def test_what_two_readers_read_differently_is_refused(
    family: str, made: Callable[[str, Path], Path], root: Path, marker: Path, settings: Settings
) -> None:
    folder = made(family, root)
    plant(folder, marker)
    sound = {path: path.read_bytes() for path in folder.rglob("*config.json")}
    for way in UNSOUND:
        unsound(folder, way)
        error = load(FAMILIES[family][0], folder, settings)
        assert not marker.exists(), way
        assert error is not None, way
        assert (error.status, error.code) == (400, "unsupported_model"), (way, error.message)
        assert str(root) not in error.message
        for path, content in sound.items():
            path.write_bytes(content)


def test_a_log_of_a_training_is_left_out(
    made: Callable[[str, Path], Path], root: Path, settings: Settings
) -> None:
    folder = made("chat", root)
    (folder / "trainer_state.json").write_text('{"loss": NaN}')
    assert load("llm", folder, settings) is None


def test_a_text_that_is_far_too_long_is_left_out(
    made: Callable[[str, Path], Path], root: Path, settings: Settings
) -> None:
    folder = made("chat", root)
    with (folder / "chat_template.jinja").open("wb") as template:
        template.truncate(1 << 40)
    assert load("llm", folder, settings) is None


@pytest.mark.parametrize("family", ["chat", "vision qwen2_vl"])
def test_a_network_of_the_models_own_is_refused(
    family: str, made: Callable[[str, Path], Path], root: Path, marker: Path, settings: Settings
) -> None:
    folder = with_model_file(plant(made(family, root), marker))
    error = load(FAMILIES[family][0], folder, settings)
    assert not marker.exists()
    assert error is not None
    assert error.code == "unsupported_model"
    assert "code of its own" in error.message


@pytest.mark.parametrize("family", ["vision got", "vision qwen2_vl", "image z-image"])
def test_code_of_another_repository_is_not_run(
    family: str, made: Callable[[str, Path], Path], root: Path, marker: Path, settings: Settings
) -> None:
    """`org/repo--evil.Evil` is fetched from the hub, or found in its cache."""
    other = plant(random_qwen3(root / "other"), marker)
    folder = plant(made(family, root), marker, prefix=f"{other}--")
    load(FAMILIES[family][0], folder, settings)
    assert not marker.exists()


def test_code_beside_an_adapter_a_draft_model_and_a_lora_is_not_run(
    root: Path, marker: Path, settings: Settings
) -> None:
    random_qwen3(root / "chat")
    plant(random_adapter(root / "adapter", root / "chat"), marker)
    plant(random_qwen3(root / "draft"), marker)
    plant(root, marker)
    catalog = Catalog(settings)
    ref = catalog.resolve("chat+adapter")
    engine: Any = ENGINES[Category.LLM](ref, settings)
    payload = {"messages": [{"role": "user", "content": "hi"}], "draft_model": "draft", "max_tokens": 3}
    engine.add("1", typed(payload), 1)
    while engine._tasks:
        engine.step()
    engine.close()
    assert not marker.exists()
    unsound(root / "draft", "NaN")
    engine = ENGINES[Category.LLM](ref, settings)
    with pytest.raises(InvalidRequest, match="NaN"):
        engine.add("1", typed(payload), 1)
    engine.close()
    assert not marker.exists()


def test_state_space_models_may_have_no_bound(
    made: Callable[[str, Path], Path], root: Path, settings: Settings
) -> None:
    """transformers writes `"time_step_limit": [0.0, Infinity]` for them."""
    folder = made("chat", root)
    config = json.loads((folder / "config.json").read_text()) | {"time_step_limit": [0.0, float("inf")]}
    (folder / "config.json").write_text(json.dumps(config))
    assert load("llm", folder, settings) is None


LINKS = {
    "chat_template.jinja": "secret.txt",
    "tokenizer_config.json": "secret.json",
    "vocab.txt": "secret.txt",
}


@pytest.mark.parametrize("name", LINKS)
def test_links_do_not_lead_out_of_the_roots(
    name: str, made: Callable[[str, Path], Path], root: Path, settings: Settings, tmp_path: Path
) -> None:
    """A template may say what is in a file of the user's. Weights may lie on another disk."""
    folder = made("chat", root)
    (tmp_path / "secret.txt").write_text("secret")
    shutil.copyfile(folder / "tokenizer_config.json", tmp_path / "secret.json")
    shutil.move(folder / "model.safetensors", tmp_path / "model.safetensors")
    (folder / "model.safetensors").symlink_to(tmp_path / "model.safetensors")
    assert load("llm", folder, settings) is None
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path / LINKS[name])
    error = load("llm", folder, settings)
    assert error is not None
    assert (error.code, "MODEL_LINKS=1" in error.message) == ("unsupported_model", True)
    assert str(tmp_path) not in error.message
    assert load("llm", folder, settings.model_copy(update={"model_links": True})) is None


# -- the libraries behind the view -----------------------------------------------------------------------------------


@pytest.mark.parametrize("trusting", [True, None])
@pytest.mark.parametrize("family", ASKING)
def test_no_family_of_mlx_vlm_finds_code(
    family: str, trusting: bool | None, root: Path, marker: Path, settings: Settings, eyes: Path
) -> None:
    """Their processors hard-code trust in a model's code, or take it from a caller. Some can't load this folder."""
    folder = _of_family(eyes, root, family, marker)
    disable_model_code()
    import_module(f"mlx_vlm.models.{family}")
    options = {} if trusting is None else {"trust_remote_code": trusting}
    with opened_folder(folder, family, settings) as view:
        files = [file for file in view.rglob("*") if file.is_file()]
        assert {file.suffix for file in files} <= {".json", ".safetensors", ".jinja", ".npy"}
        _try(view, options)
    # The second wall alone: a library that sees the folder itself.
    _try(folder, options)
    assert not marker.exists()


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_qwen2_vl(tmp_path_factory.mktemp("eyes") / "eyes")


def _of_family(eyes: Path, root: Path, family: str, marker: Path) -> Path:
    folder = root / family
    shutil.copytree(eyes, folder)
    config = json.loads((folder / "config.json").read_text()) | {"model_type": family}
    (folder / "config.json").write_text(json.dumps(config))
    return plant(folder, marker)


def _try(folder: Path, options: dict[str, Any]) -> None:
    # Most families want other files than these.
    with suppress(Exception):
        load_processor(folder, True, **options)


def test_without_the_guard_that_code_would_run(root: Path, tmp_path: Path, eyes: Path) -> None:
    """What is planted is found by the libraries: the tests above would fail without the guard."""
    families = ("got", "inkling", "qwen2_vl")
    markers = {family: tmp_path / f"ran-{family}" for family in families}
    code = "import sys; from pathlib import Path; from mlx_vlm.utils import load_processor\n"
    for family, marker in markers.items():
        folder = _of_family(eyes, root, family, marker)
        code += f"import mlx_vlm.models.{family}\n"
        code += (
            f"try: load_processor(Path({str(folder)!r}), True, trust_remote_code={family == 'qwen2_vl'})\n"
        )
        code += "except Exception: pass\n"
    code += "from transformers import AutoTokenizer\n"
    code += f"AutoTokenizer.from_pretrained({str(root / 'qwen2_vl')!r}, trust_remote_code=True)\n"
    subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, check=True)
    assert all(marker.exists() for marker in markers.values())


# -- the wall --------------------------------------------------------------------------------------------------------

WALL = """
import sys, importlib.util, pickle
from pathlib import Path
from config.settings import Settings
from mlxq.launch.code_wall import ForeignCode, close_to_models
folder = Path({folder!r})
close_to_models(Settings(data_dir=folder / "data", model_roots=(folder,)))
def file(name):
    spec = importlib.util.spec_from_file_location("evil", folder / name)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
def path():
    sys.path.insert(0, str(folder)); import evil
def run():
    import runpy; runpy.run_path(str(folder / "evil.py"))
def unpickled():
    pickle.loads((folder / "conds.pt").read_bytes())
def slowly():
    import io; pickle._Unpickler(io.BytesIO((folder / "conds.pt").read_bytes())).load()
def numpy():
    import numpy; numpy.load(folder / "voices.npy", allow_pickle=True)
def compiled():
    file("compiled.pyc")
ways = [lambda: file("evil.py"), compiled, path, run, unpickled, slowly, numpy]
for way in ways:
    try:
        way()
    except ForeignCode:
        print(way.__name__, end=" ")
import sqlite3, dataclasses, collections
collections.namedtuple("A", "b")
"""


TIMES_OF_WORDS = """
import numpy
from mlxq.launch.code_wall import close_to_models
from config.settings import Settings
close_to_models(Settings())
from mlx_whisper.timing import dtw_cpu
print(dtw_cpu(numpy.eye(3, dtype=numpy.float32)).shape)
"""


def test_numba_may_read_what_it_has_pickled_itself() -> None:
    """Times of words need it: it compiles what aligns them."""
    run = subprocess.run([sys.executable, "-c", TIMES_OF_WORDS], cwd=REPO, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("(2, ")


def test_the_interpreter_runs_no_file_of_a_model(tmp_path: Path, marker: Path) -> None:
    folder = plant(random_qwen3(tmp_path / "model"), marker)
    run = subprocess.run(
        [sys.executable, "-c", WALL.format(folder=str(folder))], cwd=REPO, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["<lambda>", "compiled", "path", "run", "unpickled", "slowly", "numpy"]
    assert not marker.exists()


def test_templates_run_in_a_sandbox() -> None:
    """Some processors of mlx-vlm render them by jinja2.Template and jinja2.Environment."""
    disable_model_code()
    import jinja2
    from jinja2.exceptions import SecurityError

    breakout = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
    for template in (jinja2.Template(breakout), jinja2.Environment().from_string(breakout)):
        with pytest.raises(SecurityError):
            template.render()
