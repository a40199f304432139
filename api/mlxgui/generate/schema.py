"""`POST /v1/models/{name}/generate` with MLX-GUI's bodies and MLX-GUI's defaults."""

from typing import Annotated, Any

from pydantic import Field

from api.http.fields import Count, KeepAlive, Probability, RequestModel, Seed
from api.openai.sampling import SMALLEST_TOP_P, RepetitionPenalty, Temperature, TopK

LONGEST = 16_384


class GenerateRequest(RequestModel):
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

    def payload(self) -> dict[str, Any]:
        """The job's payload. MLX-GUI's own defaults stand, whatever the model's may be."""
        defaults = {
            "max_tokens": 8192,
            "temperature": 0.0,
            "top_p": 1.0,
            "top_k": 0,
            "repetition_penalty": 1.0,
            "repetition_context_size": 20,
        }
        said = self.model_dump(exclude_none=True, exclude={"prompt", "background"})
        if self.top_p is not None:
            said["top_p"] = max(self.top_p, SMALLEST_TOP_P)
        return {"prompts": [self.prompt], **defaults, **said}
