"""What the worker leaves out of the import of its libraries, and what is there all the same."""

import subprocess
import sys
from pathlib import Path

from tests.support.system import REPO

_PROGRAM = """
import sys

from worker.engines.importing import importing

with importing():
    import mlx_lm.utils
print("huggingface_hub.hf_api" in sys.modules)
print(mlx_lm.utils.snapshot_download("org/name", cache_dir=sys.argv[1], local_files_only=True))
from huggingface_hub import ModelCard
card = ModelCard("---\\nlicense: mit\\n---\\n")
print(ModelCard.from_template.__name__, isinstance(card, ModelCard), isinstance("card", ModelCard))
"""


def test_the_client_of_the_hub_is_imported_when_a_library_calls_it(tmp_path: Path) -> None:
    stored, revision = tmp_path / "models--org--name", "0" * 40
    (stored / "snapshots" / revision).mkdir(parents=True)
    (stored / "refs").mkdir()
    (stored / "refs" / "main").write_text(revision)
    run = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(tmp_path)], capture_output=True, text=True, cwd=REPO
    )
    found = str(stored / "snapshots" / revision)
    assert run.stdout.split() == ["False", found, "from_template", "True", "False"], run.stderr
