"""The arrows between the packages go one way, and the API stays free of MLX."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from config.settings import REPO

#: What each package may import of the others and of the heavy libraries.
ALLOWED = {
    "config": set[str](),
    "jobs": {"config"},
    "mlxq": {"config", "jobs", "worker"},
    "api": {"config", "jobs", "mlxq"},
    "worker": {"config", "jobs", "mlxq", "mlx", "mlx_embeddings", "mlx_lm"},
}
WATCHED = {*ALLOWED, "mlx", "mlx_embeddings", "mlx_lm", "benchmarks", "tests", "tools"}


def modules(package: str) -> list[Path]:
    return sorted((REPO / package).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(
                (node.module or "").split(".")[0] if node.level == 0 else path.relative_to(REPO).parts[0]
            )
    return found


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_follow_the_arrows(package: str) -> None:
    assert modules(package), f"{package} has no modules"
    wrong = {
        str(path.relative_to(REPO)): sorted(found)
        for path in modules(package)
        if (found := imports(path) & WATCHED - ALLOWED[package] - {package})
    }
    assert not wrong


def loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPO)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


def test_the_api_loads_no_mlx() -> None:
    assert not loaded_by("api.app") & {"mlx", "mlx_lm", "worker", "transformers", "torch"}


@pytest.mark.parametrize("module", ["mlxq.downloads.__main__", "mlxq.downloads.download", "mlxq.__main__"])
def test_what_serves_no_model_loads_no_mlx(module: str) -> None:
    assert not loaded_by(module) & {"mlx", "mlx_lm", "transformers", "torch", "numpy"}


@pytest.mark.parametrize("module", ["mlxq.launch.supervisor", "mlxq.launch.redis_server"])
def test_the_parents_stay_small(module: str) -> None:
    assert not loaded_by(module) & {"pydantic", "redis", "rq", "logging", "asyncio", "numpy"}


def test_environment_variables_are_read_in_config_only() -> None:
    readers = {
        str(path.relative_to(REPO))
        for package in ("api", "jobs", "worker")
        for path in modules(package)
        if "getenv" in (text := path.read_text()) or "environ.get" in text or "environ[" in text
    }
    assert not readers


def test_files_of_others_have_one_reader() -> None:
    """Two readers of JSON differ: what one has judged, another may read as something else."""
    readers = {
        str(path.relative_to(REPO))
        for package in ("api", "config", "jobs", "worker")
        for path in modules(package)
        if re.search(r"\bloads?\([^)\n]*(read_bytes|read_text|open)\(|json\.load\(", path.read_text())
    }
    assert not readers
