"""Chats and completions on mlx-lm: requests join and leave the batch at every step.

It knows payloads and what is answered to them; it does not know jobs, Redis or HTTP. One thread owns it:
BatchGenerator and the streams of MLX can't change threads.
"""

import logging
import time
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
from mlx_lm.generate import StopSequences
from mlx_lm.models.cache import make_prompt_cache

from config.settings import Settings
from jobs.errors import EngineFailure, InvalidRequest, MlxqError, ModelNotFound
from mlxq.catalog import Catalog, ModelRef, UnknownModel
from worker.engines.base import Delta, Done, Failed, Output
from worker.engines.llm.answers import Answers
from worker.engines.llm.batch import Batch, Kept, Row, Token
from worker.engines.llm.logprobs import of_prompt
from worker.engines.llm.preparation import Preparation
from worker.engines.llm.prompt import Prompt, Prompts
from worker.engines.llm.prompt_cache import PromptCache
from worker.engines.llm.sampling import Sampling, make_sampler
from worker.engines.llm.sequence import Sequence
from worker.engines.llm.solo import Solo
from worker.engines.llm.unready import PAUSE, Unready
from worker.engines.loading import LanguageModel, load_language_model
from worker.guard import opened

log = logging.getLogger(__name__)

#: Entries of the prompt cache; its bytes are what really bounds it.
CACHED_PROMPTS = 64
#: max_tokens when neither the request nor the model's generation_config.json (`max_new_tokens`) names any.
DEFAULT_MAX_TOKENS = 16384
#: Seconds that a step waits for a prompt in preparation when it has nothing else to do: others get their turns.
PATIENCE = 0.005
#: Tokens of a prompt whose log-probabilities are made at once: each is a row as wide as the vocabulary.
SCORED_STEP = 128


@dataclass(slots=True, eq=False)
class _Task:
    """One request. It has `each` sequences of every prompt, the best `n` of which are answered."""

    id: str
    prompts: list[Prompt]
    n: int
    each: int
    runner: Batch | Solo
    sequences: list[Sequence] = field(default_factory=list)
    rows: dict[Sequence, Row] = field(default_factory=dict)
    cached: int = 0
    began: float = field(default_factory=time.monotonic)
    first_token: float | None = None


class ChatEngine:
    """A language model and its batch."""

    def __init__(
        self, language: LanguageModel, settings: Settings, catalog: Catalog, reader: Prompts | None = None
    ) -> None:
        self.capacity = settings.batch_size
        self.context_length = language.context_length
        self.memory_bytes = language.memory_bytes
        self._language = language
        self._catalog = catalog
        self._settings = settings
        self._reader = reader or Prompts(language)
        self._preparation = Preparation(self._reader.read)
        self._answers = Answers(language)
        usual = language.defaults.get("max_new_tokens")
        self._usual_length = usual if isinstance(usual, int) and usual > 0 else DEFAULT_MAX_TOKENS
        self._stop_tokens = StopSequences([[token] for token in language.tokenizer.eos_token_ids])
        self._prompts = PromptCache(settings.prompt_cache_bytes, CACHED_PROMPTS)
        self._tasks: dict[str, _Task] = {}
        #: tasks whose grammars are being compiled
        self._unready: dict[str, Unready] = {}
        #: answers that nothing has to be computed for
        self._ready: list[Output] = []
        #: tokens and caches of ended sequences, to be kept when there is time
        self._finished: list[Kept] = []
        model = language.model
        self._batch: Batch | Solo = Batch(model, self.capacity) if _can_batch(model) else Solo(model)
        self._drafted: dict[str, Solo] = {}
        self._default_draft = settings.draft_model or None
        if self._default_draft is not None:
            self._with_draft(self._default_draft)

    def add(self, task_id: str, payload: dict[str, Any], seed: int) -> None:
        if payload.get("draft_model") is not None and self._is_watched(payload):
            raise InvalidRequest(
                "A draft model can't be combined with structured output, enforced tools or logprobs.",
                param="draft_model",
            )
        compiling = self._answers.prepare(payload)
        if compiling is None:
            self._add(task_id, payload, seed)
        else:
            self._unready[task_id] = Unready(task_id, payload, seed, compiling)

    def _add(self, task_id: str, payload: dict[str, Any], seed: int) -> None:
        if self._reader.is_long(payload):
            self._preparation.add(task_id, payload, seed)
        else:
            self._begin(task_id, payload, seed, self._reader.read(payload))

    def _begin(self, task_id: str, payload: dict[str, Any], seed: int, prompts: list[Prompt]) -> None:
        n = payload.get("n") or 1
        each = max(n, payload.get("best_of") or 0)
        task = _Task(task_id, prompts, n, each, self._runner(payload))
        sampling = Sampling.read(payload, self._language.defaults, seed)
        for number, prompt in enumerate(prompts):
            for index in range(number * each, (number + 1) * each):
                sequence = self._answers.begin(task_id, index, payload, prompt, seed)
                sequence.scored = each > n
                task.sequences.append(sequence)
                task.rows[sequence] = self._row(sequence, payload, prompt, sampling.of_choice(index))
        if payload.get("echo"):
            self._echo(task, payload)
        # From here on nothing of the request can be wrong.
        self._tasks[task_id] = task
        if payload.get("max_tokens") == 0:
            for sequence in task.sequences:
                self._end(task, sequence, "length", self._ready)
            return
        for number, prompt in enumerate(prompts):
            rows = [task.rows[sequence] for sequence in task.sequences[number * each : (number + 1) * each]]
            task.cached += self._start(task.runner, rows, prompt)

    def remove(self, task_id: str) -> None:
        self._unready.pop(task_id, None)
        self._preparation.remove(task_id)
        task = self._tasks.pop(task_id, None)
        if task is not None:
            for row in task.rows.values():
                task.runner.remove(row)

    def step(self) -> list[Output]:
        if self._unready:
            self._take_ready()
        self._join()
        outputs, self._ready = self._ready, []
        tokens = self._batch.step()
        for solo in self._drafted.values():
            tokens += solo.step()
        for token in tokens:
            sequence: Sequence = token.row.owner
            # A neighbour of the same request may have failed in this very step.
            if (task := self._tasks.get(sequence.task_id)) is None:
                continue
            try:
                self._advance(task, sequence, token, outputs)
            except Exception as error:
                log.exception("a request failed in mid-batch")
                self.remove(sequence.task_id)
                outputs.append(Failed(sequence.task_id, _failure(error)))
        return outputs

    def pause(self) -> float:
        return self._batch.pause() if isinstance(self._batch, Batch) and not self._ready else 0.0

    def _join(self) -> None:
        """Begin what has been read beside this thread. With nothing else to do it waits for that, for a moment."""
        for prepared in self._preparation.ready(0 if self._tasks or self._ready else PATIENCE):
            try:
                self._begin(prepared.task_id, prepared.payload, prepared.seed, prepared.result())
            except Exception as error:
                if not isinstance(error, MlxqError):
                    log.exception("a request could not be read")
                self._ready.append(Failed(prepared.task_id, _failure(error)))

    def tidy(self) -> None:
        finished, self._finished = self._finished, []
        for tokens, cache in finished:
            self._prompts.insert(tokens, cache)
        if finished and not self._tasks:
            mx.clear_cache()

    def close(self) -> None:
        self._unready.clear()
        self._answers.close()
        self._preparation.close()
        self._reader.close()
        self._tasks.clear()
        self._finished.clear()
        self._batch.close()
        for solo in self._drafted.values():
            solo.close()
        self._prompts.clear()
        del self._batch, self._drafted, self._language, self._reader, self._preparation, self._answers

    @property
    def remembered(self) -> int:
        """Bytes of the prompts that were read before."""
        return self._prompts.nbytes

    def forget(self) -> None:
        """Let go of them. Any thread may ask for it; whoever is being answered has what it needs."""
        self._prompts.clear()

    def _take_ready(self) -> None:
        """Begin the tasks whose grammars have been compiled. With nothing else to do, wait a moment for one."""
        if not self._tasks and not self._preparation:
            wait([task.compiling for task in self._unready.values()], PAUSE, FIRST_COMPLETED)
        for task in [task for task in self._unready.values() if task.is_settled]:
            del self._unready[task.id]
            try:
                task.check()
                self._add(task.id, task.payload, task.seed)
            except Exception as error:
                if not isinstance(error, MlxqError):
                    log.exception("a request could not be started")
                self._ready.append(Failed(task.id, _failure(error)))

    def _advance(self, task: _Task, sequence: Sequence, token: Token, outputs: list[Output]) -> None:
        """Turn one token of one sequence into text, and end the sequence where it ends."""
        if task.first_token is None:
            task.first_token = time.monotonic()
        deltas = sequence.feed(token)
        if task.each == task.n:
            outputs += deltas
        if token.kept is not None:
            self._keep(sequence, token.kept)
        if sequence.reason is None:
            return
        if token.reason is None and (kept := task.runner.take(token.row)) is not None:
            self._keep(sequence, kept)
        self._end(task, sequence, sequence.reason, outputs)

    def _start(self, runner: Batch | Solo, rows: list[Row], prompt: Prompt) -> int:
        """Have a prompt read and answered. Returns how many of its tokens had been read before."""
        # The last token is always read: its logits are the answer's first step.
        cache, cached = self._prompts.fetch(prompt.tokens[:-1])
        runner.insert(rows, prompt.tokens, cached, cache)
        return cached

    def _keep(self, sequence: Sequence, kept: Kept) -> None:
        self._finished.append(kept)

    def _end(self, task: _Task, sequence: Sequence, reason: str, outputs: list[Output]) -> None:
        sequence.reason = reason
        del task.rows[sequence]
        if not task.rows:
            del self._tasks[task.id]
            outputs.append(Done(task.id, _result(task)))

    def _row(self, sequence: Sequence, payload: dict[str, Any], prompt: Prompt, sampling: Sampling) -> Row:
        endless = payload.get("ignore_eos") and not self._answers.constrained(payload)
        wanted = payload.get("max_tokens") or self._usual_length
        most = min(wanted, self._reader.limit - len(prompt.tokens))
        sampler = make_sampler(sampling, self._language.vocabulary)
        return Row(
            owner=sequence,
            sampler=sequence.guard.sampler(sampler),
            processors=self._answers.processors(sequence, payload, prompt, most),
            stops=StopSequences() if endless else self._stop_tokens,
            max_tokens=most,
        )

    def _echo(self, task: _Task, payload: dict[str, Any]) -> None:
        """The prompts begin their answers."""
        top = payload.get("logprobs")
        for number, (prompt, given) in enumerate(zip(task.prompts, payload["prompts"], strict=True)):
            text = given if isinstance(given, str) else self._language.tokenizer.decode(prompt.tokens)
            entries = []
            if top is not None:
                vocabulary = self._answers.vocabulary
                entries = of_prompt(self._language.model, prompt.tokens, top, vocabulary, SCORED_STEP)
            for sequence in task.sequences[number * task.each : (number + 1) * task.each]:
                sequence.text.append(text)
                sequence.logprobs += entries
                if task.each == task.n:
                    self._ready.append(Delta(task.id, text, sequence.index, logprobs=entries or None))

    def _runner(self, payload: dict[str, Any]) -> Batch | Solo:
        """Who runs a request: the batch, or one at a time with a draft model."""
        wanted = payload.get("draft_model") or (None if self._is_watched(payload) else self._default_draft)
        return self._batch if wanted is None else self._with_draft(wanted)

    def _is_watched(self, payload: dict[str, Any]) -> bool:
        """Whether its processors count tokens: they would see those of a draft that are taken back."""
        return self._answers.constrained(payload) or payload.get("logprobs") is not None

    def _with_draft(self, name: str) -> Solo:
        try:
            ref = self._catalog.resolve(name)
        except UnknownModel as error:
            raise ModelNotFound(str(error), param="draft_model") from error
        if ref.id not in self._drafted:
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
            self._drafted[ref.id] = Solo(self._language.model, draft.model)
            self.memory_bytes += draft.memory_bytes
        return self._drafted[ref.id]


def load(ref: ModelRef, settings: Settings) -> ChatEngine:
    """Load a language model from its folder, or from the hub when it is not installed. For the owner thread."""
    return ChatEngine(load_language_model(ref), settings, Catalog(settings))


def _can_batch(model: Any) -> bool:
    return all(hasattr(layer, "merge") for layer in make_prompt_cache(model))


def _result(task: _Task) -> dict[str, Any]:
    now = time.monotonic()
    first = task.first_token or now
    sequences = task.sequences
    drafted = isinstance(task.runner, Solo) and any(sequence.drafted_tokens for sequence in sequences)
    usage = {
        "prompt_tokens": sum(len(prompt.tokens) for prompt in task.prompts),
        "completion_tokens": sum(sequence.tokens for sequence in sequences),
        "cached_tokens": task.cached,
    }
    if reasoning := sum(sequence.reasoning_tokens for sequence in sequences):
        usage["reasoning_tokens"] = reasoning
    if drafted:
        usage["accepted_prediction_tokens"] = sum(sequence.drafted_tokens for sequence in sequences)
    return {
        "choices": [sequence.result() for sequence in _best(task)],
        "usage": usage,
        "timings": {
            "prompt_seconds": round(first - task.began, 6),
            "generation_seconds": round(now - first, 6),
        },
    }


def _best(task: _Task) -> list[Sequence]:
    """The likeliest `n` of each prompt's sequences, per token, numbered anew."""
    if task.each == task.n:
        return task.sequences
    best: list[Sequence] = []
    for start in range(0, len(task.sequences), task.each):
        group = task.sequences[start : start + task.each]
        group.sort(key=lambda sequence: -sequence.likelihood / max(1, sequence.tokens))
        best += group[: task.n]
    for index, sequence in enumerate(best):
        sequence.index = index
    return best


def _failure(error: Exception) -> MlxqError:
    if isinstance(error, MlxqError):
        return error
    return EngineFailure(f"The model failed on this request ({type(error).__name__}).")
