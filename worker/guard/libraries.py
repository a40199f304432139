"""Disables the ways in which model libraries load code of models, in this process.

Models are data. `mlxq/launch/code_wall.py` stops foreign code from running. Here the libraries are told early that
there is none, so that they use their own class where they have one, and templates run in a sandbox wherever they are
rendered.
"""

import sys
import threading
from typing import Any

from mlxq.launch.code_wall import ForeignCode
from worker.guard.tokenizers import panics_are_errors

_lock = threading.Lock()
_closed = False


def disable_model_code() -> None:
    """Disable them, once. It imports parts of transformers, which only one thread at a time may do."""
    global _closed
    with _lock:
        if not _closed:
            _close_transformers()
            _close_templates()
            panics_are_errors()
            _closed = True


def _close_transformers() -> None:
    """No class, tokenizer, processor or generate() from a repository, whatever flag a caller sets."""
    from transformers import dynamic_module_utils

    def trust(
        trust_remote_code: Any = None,
        model_name: Any = None,
        has_local_code: bool = False,
        has_remote_code: bool = False,
        *_: Any,
        **__: Any,
    ) -> bool:
        if has_remote_code and not has_local_code:
            raise ForeignCode("the repository needs code of its own, which is not run")
        return False

    def refuse(*_: Any, **__: Any) -> Any:
        raise ForeignCode("the repository needs code of its own, which is not run")

    replaced = {
        "resolve_trust_remote_code": trust,
        "check_imports": refuse,
        "create_dynamic_module": refuse,
        "get_cached_module_file": refuse,
        "get_class_from_dynamic_module": refuse,
        "get_class_in_module": refuse,
        "init_hf_modules": refuse,
    }
    for name, ours in replaced.items():
        theirs = getattr(dynamic_module_utils, name)
        setattr(dynamic_module_utils, name, ours)
        _rebind(name, theirs, ours)


def _close_templates() -> None:
    """Some processors of mlx-vlm render chat templates without a sandbox."""
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    theirs: Any = jinja2.Environment
    template: Any = jinja2.Template
    template.environment_class = ImmutableSandboxedEnvironment
    package: Any = jinja2
    package.Environment = ImmutableSandboxedEnvironment
    _rebind("Environment", theirs, ImmutableSandboxedEnvironment, below=("mlx_", "mflux", "transformers"))


def _rebind(name: str, theirs: Any, ours: Any, below: tuple[str, ...] = ()) -> None:
    """Modules that were imported before have a reference of their own."""
    for module in list(sys.modules.values()):
        if below and not getattr(module, "__name__", "").startswith(below):
            continue
        # A module that can't be imported is None.
        if getattr(module, "__dict__", {}).get(name) is theirs:
            setattr(module, name, ours)
