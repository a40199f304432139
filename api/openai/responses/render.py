"""A response as an object: what it repeats of its request, how it stands, what it answered."""

from typing import cast

import msgspec
import orjson

from api.dispatch.renderers import Answered
from api.openai.responses.answer import (
    Echo,
    Incomplete,
    Response,
    ResponseFailure,
    ResponseOutputItem,
    ResponseUsage,
    Status,
)
from api.openai.responses.ask import Ask
from api.openai.responses.output import Maker
from api.openai.responses.schema import ResponseRequest
from api.openai.responses.tools import Called
from jobs.errors import JobCancelled, MlxqError
from jobs.meta import Meta
from jobs.models.card import ModelCard
from jobs.payloads import ChatPayload
from jobs.results import TextResult, TextUsage

#: Codes of OpenAI's that say what a client can do about it; any other is `server_error` or `invalid_prompt`.
_TOLD = frozenset({"context_length_exceeded", "invalid_image", "model_not_found"})
_RATE_LIMITS = (429, 503)


class ResponseMeta(Meta, frozen=True, kw_only=True):
    """`echo`: what the response repeats of its request. `special`: the tools that are not given back as the model
    knows them. `summary`, `seals`: how thoughts are given. `stored`: whether it can be asked for.
    """

    echo: msgspec.Raw = msgspec.Raw(b"{}")
    special: dict[str, Called] = msgspec.field(default_factory=dict)
    summary: bool = False
    seals: bool = False
    stored: bool = True
    background: bool = False

    def maker(self, response_id: str) -> Maker:
        return Maker(response_id, self.special, summary=self.summary, seals=self.seals)


def noted(
    asked: ResponseRequest, ask: Ask, raw: bytes, payload: ChatPayload, card: ModelCard | None
) -> ResponseMeta:
    """What is noted with the job of a request, whose body was `raw`, for the model of a card."""
    return ResponseMeta(
        model=asked.model,
        echo=msgspec.Raw(orjson.dumps(_echo(asked, raw, payload, card))),
        special=ask.offers.special,
        summary=asked.summarised,
        seals=asked.sealed,
        stored=asked.stored,
        background=bool(asked.background),
    )


def _echo(asked: ResponseRequest, raw: bytes, payload: ChatPayload, card: ModelCard | None) -> Echo:
    # What is repeated as it was sent: numbers of more than 64 bits are as they were read.
    sent = orjson.loads(raw)
    reasoning = asked.reasoning
    summary = (reasoning.summary or reasoning.generate_summary) if reasoning else None
    echo: Echo = {
        "background": bool(asked.background),
        "frequency_penalty": payload.frequency_penalty or 0.0,
        "instructions": asked.instructions,
        "max_output_tokens": payload.max_tokens,
        "max_tool_calls": asked.max_tool_calls,
        "metadata": asked.metadata or {},
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "presence_penalty": payload.presence_penalty or 0.0,
        "previous_response_id": asked.previous_response_id,
        "prompt_cache_key": asked.prompt_cache_key,
        "reasoning": {
            "effort": (reasoning.effort if reasoning else None) or payload.reasoning_effort,
            "summary": None if summary == "none" else summary,
        },
        "safety_identifier": asked.safety_identifier,
        "service_tier": asked.served_tier,
        "store": asked.stored,
        "temperature": _first(payload.temperature, card.temperature if card else None),
        "text": {"format": {"type": "text"}, **(sent.get("text") or {})},
        "tool_choice": sent.get("tool_choice") or "auto",
        "tools": [_tool(each) for each in sent.get("tools") or ()],
        "top_logprobs": asked.top_logprobs or 0,
        "top_p": _first(asked.top_p, payload.top_p, card.top_p if card else None),
        "truncation": asked.truncation or "disabled",
    }
    if asked.user is not None:
        echo["user"] = asked.user
    return echo


def _first(*values: float | None) -> float:
    """The first that is given: by the request, by its alias, by the model."""
    return next((value for value in values if value is not None), 1.0)


def _tool(tool: dict[str, object]) -> dict[str, object]:
    """A tool with the fields that OpenAI's own answers always have."""
    if tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, **tool, "strict": bool(tool.get("strict"))}


class Rendered(msgspec.Struct, frozen=True):
    """One response: what does not change while it is made."""

    id: str
    meta: ResponseMeta

    def response(
        self,
        status: Status,
        output: list[ResponseOutputItem],
        *,
        usage: TextUsage | None = None,
        completed_at: int | None = None,
        failure: MlxqError | None = None,
    ) -> Response:
        incomplete: Incomplete | None = {"reason": "max_output_tokens"} if status == "incomplete" else None
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.meta.created,
            "completed_at": completed_at,
            "status": status,
            "error": None if failure is None else failed_with(failure),
            "incomplete_details": incomplete,
            "model": cast(str, self.meta.model),
            "output": output,
            "usage": None if usage is None else used(usage),
            **cast(Echo, orjson.loads(bytes(self.meta.echo))),
        }

    def answered(self, result: TextResult, completed_at: int | None = None) -> Response:
        """The response when it is made."""
        choice = result.choices[0]
        status: Status = "incomplete" if choice.finish_reason == "length" else "completed"
        output = self.meta.maker(self.id).output(choice)
        return self.response(
            status,
            output,
            usage=result.usage,
            completed_at=completed_at if status == "completed" else None,
        )

    def failed(self, error: MlxqError, output: list[ResponseOutputItem]) -> Response:
        """The response that ended without an answer."""
        if isinstance(error, JobCancelled):
            return self.response("cancelled", output)
        return self.response("failed", output, failure=error)


def response_body(job: Answered[ResponseMeta, TextResult]) -> Response:
    ended = None if job.ended_at is None else int(job.ended_at)
    return Rendered(job.job_id, job.meta).answered(job.result, ended)


def used(counts: TextUsage) -> ResponseUsage:
    return {
        "input_tokens": counts.prompt_tokens,
        "input_tokens_details": {"cached_tokens": counts.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": counts.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning_tokens},
        "total_tokens": counts.prompt_tokens + counts.completion_tokens,
    }


def failed_with(error: MlxqError) -> ResponseFailure:
    """Clients read the seconds that they should wait in the message."""
    if error.status in _RATE_LIMITS and error.retry_after:
        message = f"{error.message} Please try again in {error.retry_after}s."
        return {"code": "rate_limit_exceeded", "message": message}
    if error.code in _TOLD:
        return {"code": error.code, "message": error.message}
    return {"code": "server_error" if error.status >= 500 else "invalid_prompt", "message": error.message}
