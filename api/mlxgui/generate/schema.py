"""`POST /v1/models/{name}/generate` with MLX-GUI's bodies and MLX-GUI's defaults."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from api.http.bodies.fields import Count, KeepAlive, Probability, Seed
from api.http.job_options.service_class import Ranked
from api.openai.sampling import SMALLEST_TOP_P, RepetitionPenalty, Temperature, TopK
from jobs.payloads import CompletionPayload

LONGEST = 16_384


class GenerateRequest(Ranked):
    """A text to go on with. `null` means the default, as leaving it out does."""

    prompt: Annotated[str, Field(min_length=1)]
    max_tokens: Annotated[int, Field(ge=1, le=LONGEST)] | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None
    top_k: TopK | None = None
    repetition_penalty: RepetitionPenalty | None = None
    repetition_context_size: Count | None = None
    seed: Seed | None = None
    keep_alive: KeepAlive | None = None
    background: bool | None = None

    def payload(self) -> CompletionPayload:
        """The job's payload. MLX-GUI's own defaults stand, whatever the model's may be."""
        return CompletionPayload(
            prompts=[self.prompt],
            max_tokens=self.max_tokens or 8192,
            temperature=self.temperature or 0.0,
            top_p=1.0 if self.top_p is None else max(self.top_p, SMALLEST_TOP_P),
            top_k=self.top_k or 0,
            repetition_penalty=self.repetition_penalty or 1.0,
            repetition_context_size=self.repetition_context_size or 20,
            seed=self.seed,
            keep_alive=self.keep_alive,
        )


class GeneratedUsage(TypedDict):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class GenerationTiming(TypedDict):
    generation_time_seconds: float
    tokens_per_second: float


class Generated(TypedDict):
    model: str
    prompt: str
    text: str
    usage: GeneratedUsage
    timing: GenerationTiming
