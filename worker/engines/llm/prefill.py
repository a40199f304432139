"""How prompts reach a runner, and how what was read is kept for later prompts.

`Prefill` is the interface that the chat engine needs; `TextPrefill` serves prompts that are tokens only. This module
knows tokens and caches. It does not know requests or text. It belongs to the thread of its model.
"""

from typing import Protocol

from mlx_lm.models.cache import make_prompt_cache

from config.settings import Settings
from mlxq.catalog import ModelRef
from worker.engines.llm.answers.sequence import Sequence
from worker.engines.llm.prompt_cache import Beginning, CachedPrompt, PromptCache, cache_limit
from worker.engines.llm.prompt_cache.disk import SHORTEST_STORED, DiskCache
from worker.engines.llm.prompt_cache.disk_model import disk_cache
from worker.engines.llm.prompts.prompt import Prompt
from worker.engines.llm.rows.batch import Batch
from worker.engines.llm.rows.loads import Begun, Loads, Start
from worker.engines.llm.rows.row import Row
from worker.engines.llm.rows.saving import Saving
from worker.engines.llm.rows.solo import Solo
from worker.engines.loading import LanguageModel

Runner = Batch | Solo

#: Seconds for which prompts are still written to the disk when their model is unloaded. Most were written before.
LAST_WRITES = 0.7


class Prefill(Protocol):
    """Starts prompts on runners, and keeps the caches of ended sequences."""

    @property
    def takes_drafts(self) -> bool:
        """Whether a draft model can be used."""

    @property
    def outlives(self) -> bool:
        """Whether what is kept outlives this object."""

    @property
    def cache_bytes(self) -> int:
        """Bytes of the prompt cache."""

    def clear_cache(self, wanted: int | None = None) -> None:
        """Free so many bytes of the prompt cache, by default all.

        Any thread may call it; running sequences have caches of their own.
        """

    def start(self, runner: Runner, rows: list[Row], prompt: Prompt) -> int | None:
        """Have the rows of one prompt read and answered. Returns the number of tokens that were cached.

        None: its beginning is loaded from the disk first; `load` returns the number.
        """

    def load(self) -> list[Begun]:
        """Load more from the disk. Returns the prompts that have begun."""

    def keep(self, sequence: Sequence, cached: CachedPrompt) -> None:
        """Take the cache of an ended sequence; `tidy` inserts it into the prompt cache."""

    def end(self, sequence: Sequence) -> None:
        """The sequence has ended."""

    def remove(self, task_id: str) -> None:
        """Drop what belongs to this task."""

    def tidy(self) -> bool:
        """Insert the kept caches into the prompt cache. Returns whether there were any."""

    def close(self) -> None:
        """Free all caches."""


class TextPrefill:
    """Prompts of tokens: the runner reads what the prompt cache lacks."""

    takes_drafts = True

    def __init__(self, cache: PromptCache, disk: DiskCache | None = None) -> None:
        self._cache = cache
        self._disk = disk
        self._loads = Loads()
        self._kept: list[CachedPrompt] = []

    @property
    def outlives(self) -> bool:
        return self._disk is not None

    @property
    def cache_bytes(self) -> int:
        return self._cache.nbytes

    def clear_cache(self, wanted: int | None = None) -> None:
        self._cache.clear(wanted)
        if self._disk is not None:
            self._disk.drop_waiting()

    def start(self, runner: Runner, rows: list[Row], prompt: Prompt) -> int | None:
        def insert(beginning: Beginning) -> None:
            runner.insert(rows, prompt.tokens, beginning.length, beginning.layers or None)

        # The last token is always read: its logits are the answer's first step.
        return self.begin(rows, prompt.tokens[:-1], insert)

    def begin(self, rows: list[Row], tokens: list[int], start: Start) -> int | None:
        """Start these rows with the longest cached beginning of these tokens; without layers if there is none.

        Returns its length; None if it is loaded from the disk, and `load` starts the rows.
        """

        def start_rows(beginning: Beginning) -> None:
            for row in rows:
                row.checkpoints = beginning.checkpoints
            if self._disk is not None and len(tokens) - beginning.length >= SHORTEST_STORED:
                rows[0].saving = Saving(self._disk, tokens, beginning.length)
            start(beginning)

        beginning = self._cache.fetch(tokens) or Beginning(0, [], {})
        loading = self._disk.find(tokens, beginning.length) if self._disk is not None else None
        if loading is not None:
            self._loads.add(rows, loading, beginning, start_rows)
            return None
        start_rows(beginning)
        return beginning.length

    def load(self) -> list[Begun]:
        return self._loads.step()

    def keep(self, sequence: Sequence, cached: CachedPrompt) -> None:
        self._kept.append(cached)

    def end(self, sequence: Sequence) -> None:
        """Nothing is kept per sequence."""

    def remove(self, task_id: str) -> None:
        self._loads.remove(task_id)

    def tidy(self) -> bool:
        kept, self._kept = self._kept, []
        for prompt in kept:
            self._cache.insert(prompt)
            if self._disk is not None:
                self._disk.put(prompt)
        return bool(kept)

    def close(self) -> None:
        self._kept.clear()
        self._loads.clear()
        self._cache.clear()
        if self._disk is not None:
            self._disk.close(LAST_WRITES)


def text_prefill(ref: ModelRef, settings: Settings, language: LanguageModel) -> TextPrefill:
    """Reads prompts with the caches, in memory and on the disk, that the settings allow."""
    disk = disk_cache(ref, settings, lambda: make_prompt_cache(language.model))
    return TextPrefill(PromptCache(cache_limit(settings)), disk)
