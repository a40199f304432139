"""The chat engine: chats and completions on mlx-lm. Requests join and leave the batch at every step.

This module knows payloads and results. It does not know jobs, Redis, HTTP or images (see `vision.py`). One thread
owns an engine: BatchGenerator and the streams of MLX cannot change threads.
"""

import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, wait
from typing import Any

import mlx.core as mx
from mlx_lm.generate import StopSequences
from mlx_lm.models.cache import make_prompt_cache

from config.settings import Settings
from jobs.errors import InvalidRequest
from jobs.payloads import CompletionPayload, LanguagePayload
from mlxq.catalog import Catalog, ModelRef
from worker.engines.base import Alive, Done, Failed, Headroom, Output
from worker.engines.failures import failure_of
from worker.engines.llm.admission import Admission
from worker.engines.llm.answers.answers import Answers
from worker.engines.llm.answers.sequence import Sequence
from worker.engines.llm.aside import Aside
from worker.engines.llm.drafts import DraftModels
from worker.engines.llm.echo import echo
from worker.engines.llm.footprint import measure
from worker.engines.llm.grammars.compiling import PAUSE, CompilingTask
from worker.engines.llm.paused import Paused
from worker.engines.llm.prefill import Prefill, Runner, TextPrefill, text_prefill
from worker.engines.llm.prompt_cache import PromptCache, cache_limit
from worker.engines.llm.prompts.preparation import Preparation
from worker.engines.llm.prompts.prompt import Prompt, Prompts
from worker.engines.llm.prompts.rendering import JinjaProcess
from worker.engines.llm.request import TextRequest, Written
from worker.engines.llm.rows.batch import SHORT, Batch
from worker.engines.llm.rows.loads import Begun
from worker.engines.llm.rows.row import Advance, Row, Token
from worker.engines.llm.rows.sampling import Sampling, make_sampler
from worker.engines.llm.rows.solo import Solo
from worker.engines.loading import LanguageModel, load_language_model

#: max_tokens when neither the request nor the model's generation_config.json (`max_new_tokens`) names any.
DEFAULT_MAX_TOKENS = 16384
#: Seconds that a step of an idle engine waits for a prompt in preparation.
PATIENCE = 0.005


class ChatEngine:
    """A language model and its batch."""

    def __init__(
        self,
        language: LanguageModel,
        settings: Settings,
        catalog: Catalog,
        reader: Prompts | None = None,
        prefill: Prefill | None = None,
    ) -> None:
        """`reader` and `prefill`: how prompts are made and read, by default those of a text model."""
        self.capacity = settings.batch_size
        self.context_length = language.context_length
        self._language = language
        self._weight_bytes = language.memory_bytes
        self._reader = reader or Prompts(language)
        self._preparation = Preparation(self._reader.read)
        self._answers = Answers(language)
        usual = language.defaults.get("max_new_tokens")
        self._usual_length = usual if isinstance(usual, int) and usual > 0 else DEFAULT_MAX_TOKENS
        self._stop_tokens = StopSequences([[token] for token in language.tokenizer.eos_token_ids])
        self._prefill = prefill or TextPrefill(PromptCache(cache_limit(settings)))
        self._tasks: dict[str, TextRequest] = {}
        self._paused = Paused()
        self._aside = Aside(self.capacity)
        #: tasks whose grammars are being compiled
        self._compiling: dict[str, CompilingTask] = {}
        self.read: Counter[str] = Counter()
        self._sound = True
        self._written = Written()
        #: outputs that need no step of a runner
        self._ready: list[Output] = []
        model = language.model
        self._batch: Runner = Batch(model, self.capacity) if _can_batch(model) else Solo(model)
        self._admission = Admission(measure(model), batched=isinstance(self._batch, Batch))
        self._reader.most_tokens = self._admission.most_tokens
        self._drafts = DraftModels(language, settings, catalog)
        self._default_draft = (settings.draft_model or None) if self._prefill.takes_drafts else None
        if self._default_draft is not None:
            self._drafts.runner(self._default_draft)

    @property
    def memory_bytes(self) -> int:
        return self._weight_bytes + self._drafts.memory_bytes

    def add(self, task_id: str, payload: LanguagePayload, seed: int) -> None:
        if payload.draft_model is not None and self._is_watched(payload):
            raise InvalidRequest(
                "A draft model can't be combined with structured output, enforced tools or logprobs.",
                param="draft_model",
            )
        compiling = self._answers.prepare(payload)
        if compiling is None:
            self._add(task_id, payload, seed)
        else:
            self._compiling[task_id] = CompilingTask(task_id, payload, seed, compiling)

    def _add(self, task_id: str, payload: LanguagePayload, seed: int) -> None:
        if self._reader.is_long(payload):
            self._preparation.add(task_id, payload, seed)
        else:
            self._begin(task_id, payload, seed, self._reader.read(payload))

    def _begin(self, task_id: str, payload: LanguagePayload, seed: int, prompts: list[Prompt]) -> None:
        n = payload.n
        each = max(n, payload.best_of or 0) if isinstance(payload, CompletionPayload) else n
        task = TextRequest(task_id, prompts, n, each, self._runner(payload))
        sampling = Sampling.read(payload, self._language.defaults, seed)
        for number, prompt in enumerate(prompts):
            for index in range(number * each, (number + 1) * each):
                sequence = self._answers.begin(task_id, index, payload, prompt, seed)
                sequence.scored = each > n
                task.sequences.append(sequence)
                task.rows[sequence] = self._row(sequence, payload, prompt, sampling.of_choice(index))
        if isinstance(payload, CompletionPayload) and payload.echo:
            self._ready += echo(task, payload, self._language, self._answers.vocabulary)
        task.most = sum(row.max_tokens for row in task.rows.values())
        # The request is valid from here on.
        self._tasks[task_id] = task
        if payload.max_tokens == 0:
            for sequence in task.sequences:
                self._end(task, sequence, "length", self._ready)
            return
        if self._admission.admit(task, self._tasks.values()):
            self._start(task)

    def _start(self, task: TextRequest) -> None:
        """Have its prompts read."""
        each = task.each
        for number, prompt in enumerate(task.prompts):
            rows = [task.rows[sequence] for sequence in task.sequences[number * each : (number + 1) * each]]
            if (cached := self._prefill.start(task.runner, rows, prompt)) is not None:
                self._count_cached(task, number, cached)

    @property
    def longest(self) -> int:
        return self._batch.longest

    def give_way(self, task_id: str) -> None:
        self._aside.add(task_id)

    def pause(self, task_id: str) -> None:
        self._paused.add(task_id)

    def resume(self, task_id: str) -> None:
        self._paused.remove(task_id)
        if (task := self._tasks.get(task_id)) is not None and task_id not in self._aside.still:
            for row in task.rows.values():
                task.runner.resume(row)

    @property
    def idle(self) -> bool:
        if not self._paused or self._ready or self._compiling or self._preparation:
            return False
        return all(
            task.id in self._paused and all(map(task.runner.is_paused, task.rows.values()))
            for task in self._tasks.values()
        )

    def remove(self, task_id: str) -> None:
        self._paused.remove(task_id)
        self._compiling.pop(task_id, None)
        self._preparation.remove(task_id)
        self._admission.remove(task_id)
        self._aside.remove(task_id)
        task = self._tasks.pop(task_id, None)
        if task is not None:
            self._keep_what_is_read(task)
        self._prefill.remove(task_id)
        # Now, as there may be no further step before the next prompt.
        self.tidy()

    def _keep_what_is_read(self, task: TextRequest) -> None:
        """Remove the rows of a task from its runner; the prompt cache gets one of each prompt."""
        kept: set[int] = set()
        for sequence, row in task.rows.items():
            number = sequence.index // task.each
            cached = task.runner.remove(row)
            if cached is not None and number not in kept:
                kept.add(number)
                self._prefill.keep(sequence, cached)

    def step(self) -> list[Output]:
        # When an error ends a step, caches may hold more or less than their tokens.
        self._sound = False
        outputs = self._step()
        self._sound = True
        return outputs

    def _step(self) -> list[Output]:
        failed: list[Output] = []
        for begun in self._prefill.load():
            self._note_begun(begun, failed)
        if self._compiling:
            self._take_ready()
        self._join()
        for released in self._admission.released(self._tasks.values()):
            self._start(released)
        self._aside.settle(self._tasks, self._paused.still)
        waiting: list[Output] = [Alive(task_id) for task_id in (*self._admission.waiting, *self._aside.still)]
        outputs, self._ready = failed + self._ready + waiting, []
        for token in self._batch.step() + self._drafts.step():
            sequence: Sequence = token.row.owner
            # Another sequence of the same request may have failed in this step.
            if (task := self._tasks.get(sequence.task_id)) is None:
                continue
            try:
                self._advance(task, sequence, token, outputs)
            except Exception as error:
                self.remove(sequence.task_id)
                outputs.append(Failed(sequence.task_id, failure_of(error, "a request failed in its batch")))
        outputs += self._written.of(self._tasks.values())
        self._note_read()
        for advance in self._batch.advances + self._drafts.advances:
            self._report(advance, outputs)
        if waiting and len(outputs) == len(waiting):
            # Nothing else works: those that have the memory are paused.
            time.sleep(PATIENCE)
        return outputs

    def _note_read(self) -> None:
        self.read.clear()
        short = self._batch.short if isinstance(self._batch, Batch) else []
        for advance in [*self._batch.advances, *self._drafts.advances, *short]:
            self.read[advance.row.owner.task_id] += advance.read

    def _note_begun(self, begun: Begun, outputs: list[Output]) -> None:
        """A prompt has begun with what was stored on the disk, or can't begin."""
        sequence: Sequence = begun.rows[0].owner
        task = self._tasks[sequence.task_id]
        if begun.error is not None:
            self.remove(task.id)
            outputs.append(Failed(task.id, failure_of(begun.error, "a prompt could not be read")))
        else:
            self._count_cached(task, sequence.index // task.each, begun.cached)

    def _count_cached(self, task: TextRequest, number: int, cached: int) -> None:
        task.cached += cached
        if (unread := len(task.prompts[number].tokens) - 1 - cached) > SHORT:
            task.unread[number] = unread

    def _report(self, advance: Advance, outputs: list[Output]) -> None:
        """Tell how far a prompt is read, or that it can't be."""
        sequence: Sequence = advance.row.owner
        task = self._tasks.get(sequence.task_id)
        if task is None:
            return
        if advance.error is not None:
            self.remove(task.id)
            outputs.append(Failed(task.id, failure_of(advance.error, "a prompt could not be read")))
        elif (progress := task.read(sequence.index // task.each, advance.unread)) is not None:
            outputs.append(progress)

    def bound(self, headroom: Headroom) -> None:
        self._admission.headroom = headroom

    def be_careful(self, careful: bool) -> None:
        """Read prompts in small pieces."""
        self._batch.be_careful(careful)

    def gather_time(self) -> float:
        return self._batch.gather_time() if isinstance(self._batch, Batch) and not self._ready else 0.0

    def _join(self) -> None:
        """Start prepared requests. An idle engine waits for one for a moment."""
        for prepared in self._preparation.ready(0 if self._tasks or self._ready else PATIENCE):
            try:
                self._begin(prepared.task_id, prepared.payload, prepared.seed, prepared.result())
            except Exception as error:
                self._ready.append(Failed(prepared.task_id, failure_of(error, "a request could not be read")))

    def tidy(self) -> None:
        if self._prefill.tidy() and not self._tasks:
            mx.clear_cache()

    def close(self) -> None:
        if self._sound and self._prefill.outlives:
            for task in self._tasks.values():
                self._keep_what_is_read(task)
            self._prefill.tidy()
        self._compiling.clear()
        self._answers.close()
        self._preparation.close()
        self._reader.close()
        self._tasks.clear()
        self._batch.close()
        self._drafts.close()
        self._prefill.close()
        del self._batch, self._language, self._reader, self._preparation, self._answers
        del self._prefill

    @property
    def cache_bytes(self) -> int:
        """Bytes of the prompt cache."""
        return self._prefill.cache_bytes

    def clear_cache(self, wanted: int | None = None) -> None:
        """Free so many bytes of the prompt cache, by default all.

        Any thread may call it; running requests have caches of their own.
        """
        self._prefill.clear_cache(wanted)

    def _take_ready(self) -> None:
        """Start the tasks whose grammars are compiled. An idle engine waits for one for a moment."""
        if not self._tasks and not self._preparation:
            wait([task.compiling for task in self._compiling.values()], PAUSE, FIRST_COMPLETED)
        for task in [task for task in self._compiling.values() if task.is_settled()]:
            del self._compiling[task.id]
            try:
                task.check()
                self._add(task.id, task.payload, task.seed)
            except Exception as error:
                self._ready.append(Failed(task.id, failure_of(error, "a request could not be started")))

    def _advance(self, task: TextRequest, sequence: Sequence, token: Token, outputs: list[Output]) -> None:
        """Turn one token of one sequence into text, and end the sequence where it ends."""
        if task.first_token is None:
            task.first_token = time.monotonic()
        deltas = sequence.feed(token)
        if deltas and task.each == task.n:
            outputs += deltas
        else:
            outputs.append(Alive(task.id))
        if token.kept is not None:
            self._prefill.keep(sequence, token.kept)
        if sequence.reason is None:
            if self._paused.spend(task.id):
                task.runner.pause(token.row)
            return
        if token.reason is None and (kept := task.runner.take(token.row)) is not None:
            self._prefill.keep(sequence, kept)
        self._end(task, sequence, sequence.reason, outputs)

    def _end(self, task: TextRequest, sequence: Sequence, reason: str, outputs: list[Output]) -> None:
        sequence.reason = reason
        self._prefill.end(sequence)
        del task.rows[sequence]
        if not task.rows:
            del self._tasks[task.id]
            self._paused.remove(task.id)
            self._aside.remove(task.id)
            outputs.append(Done(task.id, task.result()))

    def _row(self, sequence: Sequence, payload: LanguagePayload, prompt: Prompt, sampling: Sampling) -> Row:
        endless = payload.ignore_eos and not self._answers.constrained(payload)
        room, wanted = self._reader.limit - len(prompt.tokens), payload.max_tokens or self._usual_length
        most = room if wanted < 0 else min(wanted, room)
        sampler = make_sampler(sampling, self._language.vocabulary)
        return Row(
            owner=sequence,
            sampler=sequence.guard.sampler(sampler),
            processors=self._answers.processors(sequence, payload, prompt, most),
            stops=StopSequences() if endless else self._stop_tokens,
            max_tokens=most,
            boundaries=prompt.boundaries,
            background=sequence.task_id in self._aside,
        )

    def _runner(self, payload: LanguagePayload) -> Runner:
        """The runner of a request: the batch, or one with a draft model."""
        if payload.draft_model is not None and not self._prefill.takes_drafts:
            raise InvalidRequest("A model that sees takes no draft model.", param="draft_model")
        wanted = payload.draft_model or (None if self._is_watched(payload) else self._default_draft)
        return self._batch if wanted is None else self._drafts.runner(wanted)

    def _is_watched(self, payload: LanguagePayload) -> bool:
        """Whether its logits processors keep state per token: rejected tokens of a draft would spoil it."""
        return self._answers.constrained(payload) or payload.logprobs is not None


def load(ref: ModelRef, settings: Settings) -> ChatEngine:
    """Load a language model from its folder. Call it on the thread that will own it."""
    jinja = JinjaProcess()
    # It starts while the model is loaded.
    jinja.start()
    language = load_language_model(ref)
    reader = Prompts(language, jinja)
    return ChatEngine(language, settings, Catalog(settings), reader, text_prefill(ref, settings, language))


def _can_batch(model: Any) -> bool:
    return all(hasattr(layer, "merge") for layer in make_prompt_cache(model))
