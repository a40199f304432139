"""Codex asks for the catalogue of models where its provider has a command for the key."""

from collections.abc import Callable

from tests.agents.agents import Codex, Place
from tests.agents.conftest import MakeSystem
from tests.agents.test_turns import check
from tests.support.system import System


class CodexWithCatalogue(Codex):
    """Its configuration names no model."""

    def command(self, place: Place) -> list[str]:
        command = super().command(place)
        file = place.home / "codex" / "config.toml"
        text = file.read_text().replace('model = "actor"\n', "")
        file.write_text(f'{text}[model_providers.mlxq.auth]\ncommand = "echo"\nargs = ["any"]\n')
        return command


def test_it_works_with_the_default_model_of_the_catalogue(
    make_system: MakeSystem, place: Callable[[System], Place]
) -> None:
    system = make_system()
    here = place(system)
    said = check(CodexWithCatalogue().start(here), here)
    assert "model: actor" in said
    assert "Model metadata" not in said
