"""Ollama's `options`: how text is sampled. Those of its engine alone are accepted and have no effect."""

from typing import Annotated, Any

from pydantic import Field

from api.http.bodies.fields import MAX_COUNT, Penalty, Probability, RequestModel, Seed
from api.openai.sampling import SMALLEST_TOP_P, StopTexts, TopK

#: -1 means without a bound.
Number = Annotated[int, Field(ge=-2, le=MAX_COUNT)]


class Options(RequestModel):
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
        last = self.repeat_last_n
        return {
            "temperature": self.temperature,
            "top_k": self.top_k,
            "top_p": None if self.top_p is None else max(self.top_p, SMALLEST_TOP_P),
            "min_p": self.min_p,
            "seed": self.seed,
            "max_tokens": self.num_predict
            if self.num_predict is not None and self.num_predict >= 0
            else None,
            "stop": self.stop or None,
            "repetition_penalty": None if last == 0 else self.repeat_penalty,
            "repetition_context_size": last if last is not None and last > 0 else None,
            "presence_penalty": self.presence_penalty,
            "frequency_penalty": self.frequency_penalty,
        }
