"""MLX-GUI's answer about generated text. To the worker it is a completion like others."""

from typing import cast

from api.dispatch.renderers import Answered, Renderer
from api.mlxgui.dialect import MLXGUI
from api.mlxgui.generate.schema import Generated
from jobs.kinds import Kind
from jobs.meta import Meta
from jobs.results import TextResult


class GenerateMeta(Meta, frozen=True, kw_only=True):
    prompt: str


def generated(job: Answered[GenerateMeta, TextResult]) -> Generated:
    """What was generated; times in seconds."""
    result = job.result
    counts = result.usage
    prompt, completion = counts.prompt_tokens, counts.completion_tokens
    seconds = result.timings.generation_seconds
    return {
        "model": cast(str, job.meta.model),
        "prompt": job.meta.prompt,
        "text": result.choices[0].text,
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


GENERATE = Renderer(MLXGUI, Kind.COMPLETION, GenerateMeta, generated, name="generate", prefix="gen-")
