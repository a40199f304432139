"""Codex asks for the catalogue of models where its provider has a command for the key."""

from tests.agents.agents import Codex, Place
from tests.agents.held_system import HeldSystem
from tests.agents.test_turns import check


class CodexWithCatalogue(Codex):
    """Its configuration names no model."""

    def by_hand(self, place: Place, idle: float | None) -> tuple[dict[str, str], list[str]]:
        started = super().by_hand(place, idle)
        file = place.home / ".codex" / "config.toml"
        text = file.read_text()
        for line in ('model = "actor"\n', "model_context_window = 262144\n", 'env_key = "MLXQ_KEY"\n'):
            assert line in text
            text = text.replace(line, "")
        file.write_text(f'{text}[model_providers.mlxq.auth]\ncommand = "printenv"\nargs = ["MLXQ_KEY"]\n')
        return started


def test_it_works_with_the_default_model_of_the_catalogue(system: HeldSystem, place: Place) -> None:
    codex = CodexWithCatalogue()
    said = check(codex.start(place), codex, place)
    assert "model: actor" in said
    assert "Model metadata" not in said
