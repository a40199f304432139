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


def generated(job_id: str, meta: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """What was generated; times in seconds."""
    counts = result["usage"]
    prompt, completion = int(counts["prompt_tokens"]), int(counts["completion_tokens"])
    seconds = float(result["timings"]["generation_seconds"])
    return {
        "model": meta["model"],
        "prompt": meta["prompt"],
        "text": result["choices"][0]["text"],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        },
        "timing": {
            "generation_time_seconds": round(seconds, 4),
            "tokens_per_second": round(completion / seconds, 2) if seconds > 0 else 0.0,
        },
    }
