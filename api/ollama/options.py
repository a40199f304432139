"""Ollama's `options`: how text is sampled. Those of its engine alone have no effect."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from api.http.bodies.fields import MAX_COUNT, Penalty, Probability, RequestModel, Seed
from api.inputs.penalties import MISSING_SAMPLERS, penalties
from api.openai.sampling import SMALLEST_TOP_P, StopTexts, TopK

#: -1 means without a bound.
Number = Annotated[int, Field(ge=-2, le=MAX_COUNT)]


#: How Ollama's engine loads a model and keeps its context; and numbers of samplers whose own names count.
_OF_ITS_ENGINE = frozenset(
    {
        *("num_ctx", "num_batch", "num_gpu", "num_keep", "num_thread", "main_gpu", "draft_num_predict"),
        *("f16_kv", "low_vram", "numa", "use_mlock", "use_mmap"),
        *("embedding_only", "logits_all", "vocab_only"),
        *("mirostat_tau", "mirostat_eta", "penalize_newline"),
    }
)


class Options(RequestModel):
    harmless = _OF_ITS_ENGINE
    idle: ClassVar[Mapping[str, object]] = MISSING_SAMPLERS

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_k: TopK | None = None
    top_p: Probability | None = None
    min_p: Probability | None = None
    seed: Seed | None = None
    num_predict: Number | None = None
    stop: StopTexts | None = None
    repeat_penalty: Annotated[float, Field(gt=0, le=2)] | None = None
    repeat_last_n: Number | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None

    def sampling(self) -> dict[str, Any]:
        """The fields of a payload. What the client did not give is left to the model's own defaults."""
        drawn = self.seed is None or self.seed < 0
        return {
            "temperature": self.temperature,
            "top_k": self.top_k,
            "top_p": None if self.top_p is None else max(self.top_p, SMALLEST_TOP_P),
            "min_p": self.min_p,
            "seed": None if drawn else self.seed,
            "max_tokens": None if self.num_predict is None else max(-1, self.num_predict),
            "stop": self.stop or None,
            **penalties(
                self.repeat_last_n,
                repeat=self.repeat_penalty,
                presence=self.presence_penalty,
                frequency=self.frequency_penalty,
            ),
        }
