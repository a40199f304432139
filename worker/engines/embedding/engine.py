"""The embedding engine, on mlx-embeddings: each step computes some texts of every running request.

This module knows payloads and vectors. It does not know jobs, Redis or HTTP. One thread owns an engine.
"""

import base64
import logging
import time
from collections import deque
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import mlx.core as mx
import numpy as np
import numpy.typing as npt
from mlx_embeddings.tokenizer_utils import TokenizerWrapper
from mlx_embeddings.utils import load as load_model
from mlx_embeddings.utils import load_config

from config.settings import Settings
from jobs.errors import EngineFailure, InvalidRequest
from jobs.payloads import EmbeddingPayload
from jobs.results import EmbeddingResult, EmbeddingUsage
from mlxq.catalog import ModelRef
from worker.engines.base import Done, Failed, Output, Progress
from worker.engines.embedding.cpu_gelu import quicken
from worker.engines.embedding.inputs import Reader
from worker.engines.embedding.padding import group
from worker.engines.failures import failure_of
from worker.engines.loading import folder
from worker.engines.precision import widen
from worker.engines.weights import weight_bytes

log = logging.getLogger(__name__)

#: Seconds that a step should take: requests join and cancellations are seen between two steps.
STEP_SECONDS = 0.1
#: Tokens of a step: as many as fit STEP_SECONDS on this machine, but at least one text, between these.
FEWEST_TOKENS, MOST_TOKENS = 64, 16384
#: Tokens of the first steps, before the machine's speed is known.
FIRST_TOKENS = 1024
#: Fixed cost of one pass of the model, in tokens: measured on a CPU, estimated for a GPU.
PASS_ON_CPU, PASS_ON_GPU = 32, 512
#: Characters of all requests that are tokenised in one step.
READ_CHARACTERS = 65536
Vectors = npt.NDArray[np.float32]


@dataclass(slots=True, eq=False)
class _Task:
    """One request: inputs not yet read, texts not yet computed (the shortest last), vectors in base64."""

    id: str
    inputs: list[str | list[int]]
    dimensions: int | None
    vectors: list[str | None] = field(init=False)
    read: int = 0
    done: int = 0
    tokens: int = 0
    texts: list[tuple[list[int], int]] = field(default_factory=list)
    #: tokens of `texts`
    waiting: int = 0

    def __post_init__(self) -> None:
        self.vectors = [None] * len(self.inputs)


@dataclass(frozen=True, slots=True)
class _Text:
    """Input `index` of a task, as token ids."""

    task: _Task
    index: int
    ids: list[int]


class EmbeddingEngine:
    """An embedding model and the requests that it runs."""

    def __init__(self, model: Any, reader: Reader, width: int, settings: Settings) -> None:
        self.capacity = settings.batch_size
        self.context_length = reader.longest
        self.memory_bytes = weight_bytes(model)
        self._model = model
        self._reader = reader
        self._tasks: dict[str, _Task] = {}
        #: the order in which requests get texts computed
        self._turns: deque[_Task] = deque()
        self._budget = FIRST_TOKENS
        on_cpu = mx.default_device() == mx.Device(mx.cpu)
        self._overhead = PASS_ON_CPU if on_cpu else PASS_ON_GPU
        #: dimensions of a vector
        self._width = width

    def add(self, task_id: str, payload: EmbeddingPayload, seed: int) -> None:
        dimensions = payload.dimensions
        if dimensions is not None and dimensions > self._width:
            raise InvalidRequest(
                f"Invalid 'dimensions': this model's vectors have {self._width}; {dimensions} were asked for.",
                param="dimensions",
            )
        task = _Task(task_id, payload.inputs, dimensions)
        self._read(task, READ_CHARACTERS)
        self._tasks[task_id] = task
        self._turns.append(task)

    def remove(self, task_id: str) -> None:
        task = self._tasks.pop(task_id, None)
        if task is not None:
            self._turns.remove(task)

    def step(self) -> list[Output]:
        outputs = self._read_on()
        chosen = self._choose()
        if not chosen:
            return outputs
        began = time.monotonic()
        vectors = self._compute([text.ids for text in chosen])
        self._learn(sum(len(text.ids) for text in chosen), time.monotonic() - began)
        return outputs + self._hand_out(chosen, vectors)

    def tidy(self) -> None:
        if not self._tasks:
            mx.clear_cache()

    def close(self) -> None:
        self._tasks.clear()
        self._turns.clear()
        del self._model, self._reader

    def _read_on(self) -> list[Output]:
        """Tokenise more of the requests that would not fill a step; those that can't be read fail."""
        outputs: list[Output] = []
        hungry = [
            task
            for task in self._tasks.values()
            if task.read < len(task.inputs) and task.waiting < self._budget
        ]
        for task in hungry:
            try:
                self._read(task, READ_CHARACTERS // len(hungry))
            except Exception as error:
                self.remove(task.id)
                outputs.append(Failed(task.id, failure_of(error, "a request could not be read")))
        return outputs

    def _read(self, task: _Task, characters: int) -> None:
        """Tokenise the next inputs of a request, at least one. Raises InvalidRequest."""
        end = task.read
        while end < len(task.inputs) and (characters > 0 or end == task.read):
            characters -= len(task.inputs[end])
            end += 1
        for index, ids in enumerate(self._reader.read(task.inputs[task.read : end], task.read), task.read):
            task.texts.append((ids, index))
            task.tokens += len(ids)
            task.waiting += len(ids)
        task.read = end
        task.texts.sort(key=lambda text: -len(text[0]))

    def _choose(self) -> list[_Text]:
        """The texts of this step: one of each request in turn until the step is full.

        A request whose text had no room is the first in the next step.
        """
        chosen: list[_Text] = []
        room = self._budget
        passed = 0
        waits: _Task | None = None
        while passed < len(self._turns):
            task = self._turns[0]
            if task.texts and (not chosen or len(task.texts[-1][0]) <= room):
                ids, index = task.texts.pop()
                task.waiting -= len(ids)
                room -= len(ids)
                chosen.append(_Text(task, index, ids))
                passed = 0
            else:
                waits = waits or (task if task.texts else None)
                passed += 1
            self._turns.rotate(-1)
        if waits is not None:
            self._turns.rotate(-self._turns.index(waits))
        return chosen

    def _compute(self, texts: list[list[int]]) -> list[Vectors]:
        """A vector of length 1 for each text, in order."""
        groups = group([len(text) for text in texts], self._overhead)
        computed = [self._forward([texts[place] for place in places]) for places in groups]
        mx.eval(computed)
        vectors: list[Vectors] = [np.empty(0, np.float32)] * len(texts)
        for places, rows in zip(groups, computed, strict=True):
            for place, row in zip(places, np.array(rows), strict=True):
                vectors[place] = row
        return vectors

    def _forward(self, texts: list[list[int]]) -> mx.array:
        """The vectors [texts, width] of texts, which are padded on the right."""
        longest = max(map(len, texts))
        ids = np.full((len(texts), longest), self._reader.padding, np.int32)
        mask = np.zeros((len(texts), longest), np.int32)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = text
            mask[row, : len(text)] = 1
        vectors: mx.array = self._model(mx.array(ids), attention_mask=mx.array(mask)).text_embeds
        return vectors.astype(mx.float32)

    def _learn(self, tokens: int, seconds: float) -> None:
        """Adapt the size of the next step to the speed of this one; short steps count less."""
        if 2 * tokens >= self._budget or seconds > STEP_SECONDS:
            fitting = int(tokens * STEP_SECONDS / max(seconds, 1e-6))
            self._budget = max(FEWEST_TOKENS, min((self._budget + fitting) // 2, MOST_TOKENS))

    def _hand_out(self, chosen: list[_Text], vectors: list[Vectors]) -> list[Output]:
        touched: dict[str, _Task] = {}
        outputs: list[Output] = []
        for text, vector in zip(chosen, vectors, strict=True):
            task = text.task
            if task.id not in self._tasks:
                continue
            if not np.isfinite(vector).all():
                self.remove(task.id)
                failure = EngineFailure(f"The model made no numbers of 'input[{text.index}]'.")
                outputs.append(Failed(task.id, failure))
                continue
            task.vectors[text.index] = _encode(vector, task.dimensions)
            task.done += 1
            touched[task.id] = task
        for task in touched.values():
            if task.id not in self._tasks:
                continue
            if task.done == len(task.inputs):
                self.remove(task.id)
                vectors_ = [vector for vector in task.vectors if vector is not None]
                result = EmbeddingResult(embeddings=vectors_, usage=EmbeddingUsage(task.tokens))
                outputs.append(Done(task.id, result))
            else:
                outputs.append(Progress(task.id, task.done, len(task.inputs)))
        return outputs


def load(ref: ModelRef, settings: Settings) -> EmbeddingEngine:
    """Load a model from its folder. Call it on the thread that will own it."""
    path = folder(ref)
    config = load_config(path)
    model_type = str(config.get("model_type", "")).replace("-", "_")
    if not model_type.isidentifier() or find_spec(f"mlx_embeddings.models.{model_type}") is None:
        raise _unfit(ref, f"models of its type, '{model_type[:64]}', are not known")
    model, tokenizer = load_model(str(path), tokenizer_config={"trust_remote_code": False})
    if not isinstance(tokenizer, TokenizerWrapper):
        raise _unfit(ref, "it takes pictures")
    widen(model)
    quicken(model)
    reader = Reader(tokenizer, config)
    shown: Any = model(mx.array(reader.read(["a"], 0))).text_embeds
    if shown is None or shown.ndim != 2:
        raise _unfit(ref, "it makes a vector for each token")
    return EmbeddingEngine(model, reader, shown.shape[-1], settings)


def _unfit(ref: ModelRef, reason: str) -> InvalidRequest:
    return InvalidRequest(
        f"The model '{ref.id}' does not make vectors of texts: {reason}.",
        param="model",
        code="unsupported_model",
    )


def _encode(vector: Vectors, dimensions: int | None) -> str:
    """Base64 of float32, little-endian; cut to `dimensions` it has length 1 again."""
    if dimensions is not None and dimensions < len(vector):
        vector = vector[:dimensions]
        vector = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
