"""Where a library of an extra is not installed."""

import builtins
import sys
from typing import Any

import pytest

from config.settings import REPO, Settings
from jobs.errors import NotSupported
from jobs.kinds import Category
from mlxq.catalog import Catalog
from worker.engines import ENGINES


@pytest.mark.parametrize(
    ("model", "category", "library", "extra"),
    [("tiny-whisper", Category.ASR, "mlx_whisper", "whisper")],
)
def test_a_model_that_needs_it_says_which(
    monkeypatch: pytest.MonkeyPatch, model: str, category: Category, library: str, extra: str
) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any, **options: Any) -> Any:
        if name.partition(".")[0] == library:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *more, **options)

    for name in [name for name in sys.modules if name.startswith(("worker.engines.asr", library))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    settings = Settings(model_roots=(REPO / "models",))
    with pytest.raises(NotSupported, match=rf"pip install 'mlxq\[{extra}\]'"):
        ENGINES[category](Catalog(settings).resolve(model), settings)
