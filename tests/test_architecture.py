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


#: The rooms, the lowest first. A module imports from its own room and from rooms of lower rows.
#: `docs/architecture.md` repeats this table.
LAYERS = (
    ("config",),
    ("jobs",),
    ("mlxq.media",),
    ("mlxq.catalog", "mlxq.launch"),
    ("mlxq.downloads", "mlxq.gateway"),
    ("worker", "api.http"),
    ("api.dispatch",),
    ("api.models", "api.inputs", "api.batches", "api.webhooks"),
    ("api.openai",),
    (
        "api.anthropic",
        "api.llamacpp",
        "api.lmstudio",
        "api.mcp",
        "api.mlxgui",
        "api.native",
        "api.ollama",
        "api.ominix",
        "api.page",
        "api.rerank",
    ),
    ("api",),
    ("mlxq.cli",),
    ("mlxq",),
)
LEVELS = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
#: The resources' folders.
DIALECTS = tuple(
    f"{room}." for room, level in LEVELS.items() if level in (LEVELS["api.openai"], LEVELS["api.native"])
)


def room(module: str) -> str:
    """The innermost room that a module lies in."""
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next(name for name in names if name in LEVELS)


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(REPO).with_suffix("").parts).removesuffix(".__init__")


def imported_modules(path: Path) -> set[str]:
    """The modules of our own packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{path} has a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if _is_module(inner) else node.module)
    return {module for module in found if module.split(".")[0] in ALLOWED}


def _is_module(name: str) -> bool:
    path = REPO.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def all_imports() -> dict[str, set[str]]:
    return {module_of(path): imported_modules(path) for package in ALLOWED for path in modules(package)}


def test_no_arrow_points_upward() -> None:
    """Within a row of the table there are no arrows either, so that there is no circle of rooms."""
    wrong = {
        (room(module), target)
        for module, targets in all_imports().items()
        for target in targets
        if room(target) != room(module) and LEVELS[room(target)] >= LEVELS[room(module)]
    }
    assert not wrong, f"arrows that point upward: {sorted(wrong)}"


#: The inner rooms of large rooms, in the same way. "" are a room's own modules.
INNER = {
    "worker.engines.llm": (
        ("formats", "grammars", "models", "prompt_cache"),
        ("prompts", "rows"),
        ("answers",),
        ("",),
        ("vision",),
    ),
    "api.http": (
        ("outgoing", "routes"),
        ("answers",),
        ("callers",),
        ("bodies",),
        ("middleware", "models"),
        ("",),
        ("job_options", "server"),
    ),
}


@pytest.mark.parametrize("outer", INNER)
def test_no_arrow_points_upward_within_a_large_room(outer: str) -> None:
    levels = {name: level for level, names in enumerate(INNER[outer]) for name in names}
    folder = REPO / outer.replace(".", "/")
    assert {path.name for path in folder.iterdir() if (path / "__init__.py").exists()} == levels.keys() - {""}

    def inner(module: str) -> str:
        name = module.removeprefix(f"{outer}.").partition(".")[0]
        return name if name in levels else ""

    wrong = {
        (module, target)
        for module, targets in all_imports().items()
        for target in targets
        if module.startswith(f"{outer}.") and target.startswith(f"{outer}.")
        if inner(target) != inner(module) and levels[inner(target)] >= levels[inner(module)]
    }
    assert not wrong, f"arrows that point upward: {sorted(wrong)}"


def test_only_the_application_knows_all_resources() -> None:
    routers = {
        (module, target)
        for module, targets in all_imports().items()
        for target in targets
        if target.startswith(DIALECTS) and target.endswith(".router") and module != "api.app"
    }
    assert not routers


#: What reads the folders of models.
FOLDERS = {
    f"mlxq.catalog.{name}"
    for name in (
        *("cards", "context", "disk_inventory", "installed", "local", "model_config", "model_json", "own"),
        *("records", "removal", "root_contents", "size", "templates"),
    )
}


def test_the_api_asks_cards_and_no_folder() -> None:
    """A worker may be on another machine. This machine's disk counts only while no worker publishes its models."""
    imported = {
        (module, target)
        for module, targets in all_imports().items()
        for target in targets & FOLDERS
        if module.startswith("api.")
        and module not in ("api.http.models.machines", "api.http.models.model_names")
    }
    assert not imported
    api = modules("api")
    assert not [path for path in api if re.search(r"\b(ref|model|draft)\.path\b", path.read_text())]


def test_the_page_on_architecture_shows_the_rooms() -> None:
    page = (REPO / "docs" / "architecture.md").read_text()
    rows = [", ".join(f"`{each}`" for each in rooms) for rooms in LAYERS]
    places = [page.find(f"| {row} |") for row in rows]
    assert -1 not in places, [row for row, place in zip(rows, places, strict=True) if place < 0]
    assert places == sorted(places)


def loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPO)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


def test_the_api_loads_no_mlx() -> None:
    assert not loaded_by("api.app") & {"mlx", "mlx_lm", "worker", "transformers", "torch"}


def test_the_api_loads_what_few_clients_need_for_the_first_of_them() -> None:
    # Of OpenTelemetry, FastAPI and redis-py load what is not for traces.
    traces = {"opentelemetry.sdk.trace", "opentelemetry.exporter", "jobs.tracing.otel"}
    assert not loaded_by("api.app") & {"mcp", "mcp_types", "sse_starlette", "prometheus_client", *traces}


def test_the_chat_engine_loads_what_grammars_need_for_the_first_of_them() -> None:
    assert "llguidance" not in loaded_by("worker.engines.llm.chat")


@pytest.mark.parametrize("module", ["mlxq.downloads.__main__", "mlxq.downloads.download", "mlxq.__main__"])
def test_what_serves_no_model_loads_no_mlx(module: str) -> None:
    assert not loaded_by(module) & {"mlx", "mlx_lm", "transformers", "torch", "numpy"}


@pytest.mark.parametrize("module", ["mlxq.launch.redis_server", "mlxq.launch.serve", "mlxq.launch.line"])
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


def test_no_simple_queue_is_waited_for_with_a_timeout() -> None:
    """In Python 3.11 and 3.12 such a wait may never end: a chat stood still until the next one came."""
    for package in ("api", "jobs", "mlxq", "worker"):
        for path in modules(package):
            text = path.read_text()
            simple = re.findall(r"(\w+)(?:: queue\.SimpleQueue\[.*)? = (?:queue\.)?SimpleQueue\(", text)
            assert not [name for name in simple if f"{name}.get(timeout" in text], path
