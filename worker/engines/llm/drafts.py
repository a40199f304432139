"""Draft models of one language model: each is loaded on first use and stays. One thread owns them."""

from config.settings import Settings
from jobs.errors import InvalidRequest, ModelNotFound
from mlxq.catalog import Catalog, UnknownModel
from worker.engines.llm.rows.row import Advance, Token
from worker.engines.llm.rows.solo import Solo
from worker.engines.loading import LanguageModel, load_language_model
from worker.guard import opened


class DraftModels:
    """A runner for each draft model. `memory_bytes`: the weights of all of them."""

    def __init__(self, language: LanguageModel, settings: Settings, catalog: Catalog) -> None:
        self._language = language
        self._settings = settings
        self._catalog = catalog
        self._runners: dict[str, Solo] = {}
        self.memory_bytes = 0

    def runner(self, name: str) -> Solo:
        """The runner with this draft model. Raises ModelNotFound, and InvalidRequest for another vocabulary."""
        try:
            ref = self._catalog.resolve(name)
        except UnknownModel as error:
            raise ModelNotFound(str(error), param="draft_model") from error
        if ref.id not in self._runners:
            try:
                with opened(ref, self._settings) as viewed:
                    draft = load_language_model(viewed)
            except OSError as error:
                raise ModelNotFound(
                    f"The draft model '{ref.id}' is not installed, and it could not be fetched.",
                    param="draft_model",
                ) from error
            if draft.vocabulary != self._language.vocabulary:
                raise InvalidRequest(
                    f"'{ref.id}' can't draft for this model: their vocabularies differ.", param="draft_model"
                )
            self._runners[ref.id] = Solo(self._language.model, draft.model)
            self.memory_bytes += draft.memory_bytes
        return self._runners[ref.id]

    def step(self) -> list[Token]:
        return [token for runner in self._runners.values() for token in runner.step()]

    @property
    def advances(self) -> list[Advance]:
        """As Batch.advances."""
        return [advance for runner in self._runners.values() for advance in runner.advances]

    def close(self) -> None:
        for runner in self._runners.values():
            runner.close()
        self._runners.clear()
        del self._language
