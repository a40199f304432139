"""The wheel: what a plain installation asks for, and a server that runs from it in a folder of somebody else's."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from config import VERSION
from config.settings import REPO
from tests.program import Program, is_gone
from tests.support.ports import free_port

pytestmark = pytest.mark.slow

UV = str(Path(sys.executable).with_name("uv"))
#: Libraries that weigh gigabytes or are not used at all: they come with an extra, if at all.
HEAVY = ("torch", "mflux", "mlx-whisper", "f5-tts-mlx", "matplotlib", "tensorflow", "spacy")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([UV, "build", "--quiet", "--wheel", "--out-dir", folder, REPO], check=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`mlxq` in an environment of its own, with the libraries of this one."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / "bin" / "python"
    subprocess.run([UV, "pip", "install", "--quiet", "--no-deps", "--python", python, wheel], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return venv / "bin" / "mlxq"


@pytest.fixture
def home() -> Iterator[Path]:
    """Somebody's folder, with packages called like mlxq's."""
    folder = Path(tempfile.mkdtemp(prefix="mlxq-"))
    for name in ("api", "config", "jobs", "worker"):
        (folder / name).mkdir()
        for module in ("__init__", "__main__"):
            (folder / name / f"{module}.py").write_text("raise SystemExit('this is not mlxq')")
    yield folder
    shutil.rmtree(folder)


def environment(home: Path, **more: str) -> dict[str, str]:
    return {
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": "",
        "MLXQ_DATA_DIR": "",
        "HF_HOME": "",
        **more,
    }


def test_a_plain_installation_has_no_torch(wheel: Path) -> None:
    done = subprocess.run(
        [UV, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "-"],
        input=f"mlxq @ {wheel.as_uri()}",
        capture_output=True,
        text=True,
        check=True,
        cwd=wheel.parent,
    )
    names = {line.partition("==")[0].partition(" ")[0] for line in done.stdout.splitlines()}
    assert {"mlx", "mlx-lm", "mlx-vlm", "fastapi"} <= names
    assert not names & set(HEAVY)
    assert not any(name.startswith(("nvidia", "mlx-cuda")) for name in names)


def test_it_holds_its_packages_and_models_below_one_folder(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {"mlxq", f"mlxq-{VERSION}.dist-info"}
    assert "mlxq/py.typed" in names
    for package in ("api", "config", "jobs", "worker"):
        kept = {name for name in names if name.startswith(f"mlxq/_roots/{package}/")}
        assert kept == {
            f"mlxq/_roots/{path.relative_to(REPO)}"
            for path in (REPO / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
    assert "mlxq/_roots/models/tiny-chat/model.safetensors" in names


def test_others_do_not_see_its_packages(command: Path, tmp_path: Path) -> None:
    code = "import importlib.util as u, mlxq; print([n for n in ('api','config','jobs','worker') if u.find_spec(n)])"
    done = subprocess.run(
        [command.with_name("python"), "-P", "-c", code],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_it_serves_from_a_folder_of_somebody_else(command: Path, home: Path) -> None:
    port = free_port()
    program = Program([str(command), "serve", "--port", str(port)], environment(home), cwd=str(home))
    try:
        program.line("listening on")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as http:
            question = [{"role": "user", "content": "What is the capital of France?"}]
            answer = http.post("/v1/chat/completions", json={"model": "default", "messages": question})
            assert "Paris" in answer.json()["choices"][0]["message"]["content"]
        listed = subprocess.run(
            [command, "list"],
            env=environment(home, PORT=str(port)),
            cwd=home,
            capture_output=True,
            text=True,
        )
        assert (listed.returncode, listed.stderr) == (0, "")
        assert "tiny-chat" in listed.stdout
        tree = program.tree()
        # As a terminal does it: the whole group hears of Ctrl-C.
        os.killpg(program.pid, signal.SIGINT)
        os.killpg(program.pid, signal.SIGINT)
        assert program.wait() == 0
        with pytest.raises(AssertionError):
            program.line(" ERROR ")
        assert all(is_gone(process.pid) for process in tree)
        assert not (home / ".mlxq" / "redis.sock").exists()
    finally:
        program.kill_tree()


def test_a_wrong_part_is_refused_in_words(command: Path, home: Path) -> None:
    done = subprocess.run(
        [command, "serve", "apis"], env=environment(home), cwd=home, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "apis" in done.stderr
