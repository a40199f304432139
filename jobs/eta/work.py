"""How much a job asks for, in a unit that its time grows with. It knows payloads, not how fast models are.

| Kind | Unit |
|---|---|
| chat, completion, embedding, rerank | bytes of the request |
| transcription, translation | seconds of the recording |
| speech | characters |
| image | steps, each as large as its megapixels |
"""

from jobs.payloads import (
    CompletionPayload,
    ImagePayload,
    Payload,
    SpeechPayload,
    TextPayload,
    TranscriptionPayload,
)
from jobs.results import ImageResult, Result, TranscriptionResult


def work_of(payload: Payload, size: int) -> float:
    """The work of a request of `size` bytes; 0 where the request does not tell."""
    match payload:
        case TranscriptionPayload(seconds=seconds):
            return seconds or 0.0
        case SpeechPayload(input=text):
            return float(len(text))
        case ImagePayload(n=number, steps=steps):
            return number * (steps or 0) * _megapixels(payload)
        case _:
            return float(size)


def work_done(payload: Payload, size: int, result: Result) -> float:
    """The work of a request that has ended, in the same unit: results tell what requests left open."""
    match payload, result:
        case ImagePayload(), ImageResult(images=images, steps=steps):
            return len(images) * steps * _megapixels(payload)
        case TranscriptionPayload(), TranscriptionResult(duration=seconds):
            return seconds
        case _:
            return work_of(payload, size)


def most_tokens(payload: Payload) -> int:
    """Tokens that all its answers may have; 0 where the request does not tell."""
    if not isinstance(payload, TextPayload):
        return 0
    prompts = len(payload.prompts) if isinstance(payload, CompletionPayload) else 1
    return max(payload.max_tokens or 0, 0) * payload.n * prompts


def _megapixels(payload: ImagePayload) -> float:
    return payload.width * payload.height / 1e6
