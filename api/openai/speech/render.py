"""What is told of spoken text beside its file."""

from typing import cast

from api.dispatch.artifacts import file_url
from api.dispatch.renderers import Answered, Renderer
from api.openai.dialect import OPENAI
from api.openai.speech.answer import Speech
from api.openai.speech.answer import SpeechUsage as Usage
from jobs.kinds import Kind
from jobs.meta import Meta
from jobs.results import SpeechResult, SpeechUsage


def spoken(job: Answered[Meta, SpeechResult]) -> Speech:
    """The result of a job that nobody waited for: where its file can be fetched."""
    result = job.result
    return {
        "object": "audio.speech",
        "model": cast(str, job.meta.model),
        "format": result.format,
        "content_type": result.content_type,
        "duration": result.duration,
        "sample_rate": result.sample_rate,
        "url": file_url(job.base, job.job_id, 0),
        "usage": usage(result.usage),
    }


def usage(counts: SpeechUsage) -> Usage:
    """As OpenAI counts."""
    return {
        "input_tokens": counts.input_tokens,
        "output_tokens": counts.output_tokens,
        "total_tokens": counts.input_tokens + counts.output_tokens,
    }


SPEECH = Renderer(OPENAI, Kind.SPEECH, Meta, spoken)
