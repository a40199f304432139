"""Chat on mlx-lm's BatchGenerator: requests join and leave the batch at every step.

It knows prompts, tokens and text; it does not know jobs, Redis or HTTP. One thread owns it: BatchGenerator and
the streams of MLX can't change threads.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import mlx.core as mx
import orjson
from huggingface_hub import snapshot_download
from mlx.utils import tree_reduce
from mlx_lm.generate import BatchGenerator, StopSequences
from mlx_lm.utils import load as load_model

from config.catalog import ModelRef
from config.settings import Settings
from jobs.errors import ContextLengthExceeded, EngineFailure, InvalidRequest, MlxqError
from worker.engines.base import Delta, Done, Failed, Output
from worker.engines.prompt_cache import PromptCache
from worker.engines.sampling import Guard, Sampling, make_processors, make_sampler
from worker.engines.stops import StopMatcher

log = logging.getLogger(__name__)

#: Tokens of one prompt read in one step: decoding goes on, and a cancellation is seen, between two of them.
PREFILL_STEP = 512
#: Tokens of all prompts together read in one step: many short prompts, or parts of a few long ones. An eighth of
#: what mlx-lm reads at once. Smaller steps bring the first answers earlier and cost tokens per second.
PREFILL_TOKENS = 2048
#: Steps for which a few new prompts may be held back while many others decode.
HOLD_STEPS = 3
#: Entries of the prompt cache; its bytes are what really bounds it.
CACHED_PROMPTS = 64
#: max_tokens when the request names none.
DEFAULT_MAX_TOKENS = 16384
#: What of a hub's repository a chat model needs.
HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt", "*.tiktoken", "*.jsonl"]
#: What of rendering a template is the server's business and not the caller's.
RENDERING = frozenset(
    {
        "conversation",
        "messages",
        "chat_template",
        "add_generation_prompt",
        "continue_final_message",
        "tokenize",
        "padding",
        "truncation",
        "max_length",
        "return_tensors",
        "return_dict",
        "return_assistant_tokens_mask",
        "tokenizer_kwargs",
    }
)
#: Context length of a model whose config.json names none.
UNKNOWN_CONTEXT = 32768


@dataclass(slots=True)
class _Sequence:
    """One answer in the making."""

    task_id: str
    prompt: list[int]
    cached: int
    detokenizer: Any
    stops: StopMatcher
    text: list[str] = field(default_factory=list)
    tokens: int = 0
    guard: Guard = field(default_factory=Guard)


class ChatEngine:
    """A chat model and its batch."""

    def __init__(
        self, model: Any, tokenizer: Any, config: dict[str, Any], defaults: dict[str, Any], settings: Settings
    ) -> None:
        self.capacity = settings.batch_size
        self.context_length = _context_length(config)
        self.memory_bytes = int(tree_reduce(lambda n, a: n + a.nbytes, model.parameters(), 0))
        self._model: Any = model
        self._tokenizer: Any = tokenizer
        self._defaults = defaults
        self._vocabulary = int(
            config.get("vocab_size") or config.get("text_config", {}).get("vocab_size") or 0
        )
        self._apply_template = _template(tokenizer)
        self._stop_tokens = StopSequences([[token] for token in tokenizer.eos_token_ids])
        self._prompts = PromptCache(settings.prompt_cache_bytes, CACHED_PROMPTS)
        self._sequences: dict[int, _Sequence] = {}
        self._uids: dict[str, int] = {}
        #: prompts that wait to be read, and their tokens
        self._unread: dict[int, int] = {}
        #: steps for which they have been held back
        self._held = 0
        #: tokens and caches of ended sequences, to be kept when there is time
        self._finished: list[tuple[list[int], list[Any]]] = []
        self._batch = BatchGenerator(
            model,
            completion_batch_size=self.capacity,
            prefill_step_size=PREFILL_STEP,
            # The owner thread's own stream: everything of this engine is in one order. The library's
            # default, one more stream, was slower at batch 1 on a busy CPU and equal on a quiet one.
            stream=mx.default_stream(mx.default_device()),
        )

    def add(self, task_id: str, payload: dict[str, Any], seed: int) -> None:
        prompt = self._render(payload)
        limit = self.context_length or UNKNOWN_CONTEXT
        if len(prompt) >= limit:
            raise ContextLengthExceeded(
                f"This model's maximum context length is {limit} tokens, but the messages have "
                f"{len(prompt)} tokens. Shorten the messages.",
                param="messages",
            )
        max_tokens = payload.get("max_tokens") or DEFAULT_MAX_TOKENS
        sampling = Sampling.read(payload, self._defaults, seed)
        # The last token is always read: its logits are the answer's first step.
        cache, cached = self._prompts.fetch(prompt[:-1])
        rest = prompt[cached:]
        sequence = _Sequence(
            task_id=task_id,
            prompt=prompt,
            cached=cached,
            detokenizer=self._tokenizer.detokenizer,
            stops=StopMatcher(payload.get("stop") or ()),
        )
        processors = make_processors(payload, self._defaults, self._vocabulary)
        (uid,) = self._batch.insert(
            [rest],
            max_tokens=[min(max_tokens, limit - len(prompt))],
            caches=None if cache is None else [cache],
            all_tokens=[prompt[:cached]],
            samplers=[sequence.guard.sampler(make_sampler(sampling, self._vocabulary))],
            logits_processors=[[sequence.guard.processor(each) for each in processors]],
            stop_sequences=[StopSequences() if payload.get("ignore_eos") else self._stop_tokens],
        )
        self._sequences[uid] = sequence
        self._uids[task_id] = uid
        self._unread[uid] = len(rest)

    def remove(self, task_id: str) -> None:
        uid = self._uids.pop(task_id, None)
        if uid is not None:
            del self._sequences[uid]
            self._unread.pop(uid, None)
            self._batch.remove([uid])

    def step(self) -> list[Output]:
        responses = self._next()
        outputs: list[Output] = []
        for response in responses:
            sequence = self._sequences[response.uid]
            try:
                outputs += self._advance(response, sequence)
            except Exception as error:
                log.exception("a request failed in mid-batch")
                self.remove(sequence.task_id)
                outputs.append(Failed(sequence.task_id, _failure(error)))
        return outputs

    def _next(self) -> list[Any]:
        """One step of the batch: the new tokens."""
        if not self._unread:
            return self._batch.next()[1]  # type: ignore[no-any-return]
        self._batch.prefill_batch_size = self._prompts_to_read()
        read, responses = self._batch.next()
        for prompt in read:
            self._unread.pop(prompt.uid, None)
        return responses  # type: ignore[no-any-return]

    def _prompts_to_read(self) -> int:
        """How many prompts may be in reading at this step.

        To read a few prompts costs a step of the whole batch nearly as much as to read many. While others decode,
        newcomers therefore gather for a moment: until they are a quarter of those, or for HOLD_STEPS steps.
        """
        decoding = len(self._sequences) - len(self._unread)
        if 4 * len(self._unread) < decoding and self._held < HOLD_STEPS:
            self._held += 1
            return 0
        self._held = 0
        # They are padded to the longest, of which each step reads at most PREFILL_STEP.
        longest = min(max(self._unread.values()), PREFILL_STEP)
        return max(1, min(PREFILL_TOKENS // longest, self.capacity))

    def tidy(self) -> None:
        finished, self._finished = self._finished, []
        for tokens, cache in finished:
            self._prompts.insert(tokens, cache)
        if finished and not self._sequences:
            mx.clear_cache()

    def close(self) -> None:
        self._sequences.clear()
        self._uids.clear()
        self._finished.clear()
        self._batch.close()
        self._prompts.clear()
        del self._batch, self._model, self._tokenizer, self._prompts

    def _advance(self, response: Any, sequence: _Sequence) -> list[Output]:
        """Turn one token of one sequence into text, and end the sequence where it ends."""
        if sequence.guard.error is not None:
            raise sequence.guard.error
        sequence.tokens += 1
        reason: str | None = response.finish_reason
        detokenizer = sequence.detokenizer
        if reason != "stop":
            detokenizer.add_token(response.token)
        if reason is not None:
            detokenizer.finalize()
        piece = detokenizer.last_segment
        if reason is not None:
            piece = piece.rstrip("\ufffd")
        text = sequence.stops.feed(piece)
        if sequence.stops.stopped:
            reason = "stop"
        elif reason is not None:
            text += sequence.stops.flush()

        outputs: list[Output] = []
        if text:
            sequence.text.append(text)
            outputs.append(Delta(sequence.task_id, text))
        if reason is not None:
            if response.finish_reason is not None:
                self._finished.append((response.all_tokens, response.prompt_cache))
            else:
                cache, tokens = self._batch.remove([response.uid], return_prompt_caches=True)[response.uid]
                self._finished.append((tokens, cache))
            del self._sequences[response.uid], self._uids[sequence.task_id]
            outputs.append(Done(sequence.task_id, _result(sequence, reason)))
        return outputs

    def _render(self, payload: dict[str, Any]) -> list[int]:
        """The messages through the model's chat template, as tokens."""
        extra = payload.get("chat_template_kwargs") or {}
        if taken := RENDERING.intersection(extra):
            raise InvalidRequest(
                f"chat_template_kwargs may not set '{min(taken)}'.", param="chat_template_kwargs"
            )
        try:
            tokens = self._apply_template(
                payload["messages"], add_generation_prompt=True, tokenize=True, **extra
            )
        except Exception as error:  # templates raise whatever their authors chose
            raise InvalidRequest(
                f"The model's chat template refuses these messages: {error}", param="messages"
            ) from error
        if not tokens:
            raise InvalidRequest("The messages are empty for this model.", param="messages")
        return list(tokens)


def load(ref: ModelRef, settings: Settings) -> ChatEngine:
    """Load a chat model from its folder, or from the hub when it is not installed. For the owner thread."""
    path = ref.path or Path(snapshot_download(ref.id, allow_patterns=HUB_FILES))
    loaded: Any = load_model(str(path), return_config=True)
    model, tokenizer, config = loaded
    defaults = _generation_config(path)
    return ChatEngine(model, tokenizer, config, defaults, settings)


def _generation_config(path: Path) -> dict[str, Any]:
    """The sampling defaults that the model's authors ship (generation_config.json)."""
    try:
        config = orjson.loads((path / "generation_config.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def _context_length(config: dict[str, Any]) -> int | None:
    for source in (config, config.get("text_config") or {}):
        length = source.get("max_position_embeddings")
        if isinstance(length, int) and length > 0:
            return length
    return None


def _template(tokenizer: Any) -> Callable[..., Any]:
    """The function that renders messages.

    mlx-lm's wrapper switches thinking on wherever the template knows the word; what the caller does not say is
    left to the template's author instead. Templates that are Python code only the wrapper can run.
    """
    if tokenizer._chat_template is not None:
        return tokenizer.apply_chat_template  # type: ignore[no-any-return]
    return partial(tokenizer._tokenizer.apply_chat_template, return_dict=False)


def _result(sequence: _Sequence, reason: str) -> dict[str, Any]:
    return {
        "choices": [{"index": 0, "text": "".join(sequence.text), "finish_reason": reason}],
        "usage": {
            "prompt_tokens": len(sequence.prompt),
            "completion_tokens": sequence.tokens,
            "cached_tokens": sequence.cached,
        },
    }


def _failure(error: Exception) -> MlxqError:
    if isinstance(error, MlxqError):
        return error
    return EngineFailure(f"The model failed on this request ({type(error).__name__}).")
