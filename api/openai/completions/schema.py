"""`POST /v1/completions`: OpenAI's first API, plain text in and out, with its ranges."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from api.http.bodies.fields import MAX_COUNT
from api.openai.sampling import Sampling
from jobs.payloads import CompletionPayload

#: Texts that one request may ask for: prompts, times the answers to each.
MOST = 128
#: What OpenAI's API says a completion has when nobody says otherwise.
_MAX_TOKENS = 16

Prompt = str | list[int]


def _read_prompts(value: Any) -> list[Prompt]:
    """One prompt or several, as text or as token ids."""
    if isinstance(value, str) or (isinstance(value, list) and value and _is_token(value[0])):
        value = [value]
    if not isinstance(value, list) or not value:
        raise _invalid("must be a text, a list of texts, a list of token ids or a list of such lists")
    if len(value) > MOST:
        raise _invalid(f"must not hold more than {MOST} prompts")
    for place, prompt in enumerate(value):
        _check_prompt(place, prompt)
    if len({type(prompt) for prompt in value}) > 1:
        raise _invalid("must not mix texts and token ids")
    return value


def _check_prompt(place: int, prompt: Any) -> None:
    if isinstance(prompt, str):
        return
    if not isinstance(prompt, list) or not all(_is_token(token) for token in prompt):
        raise _invalid(f"number {place} must be a text or a list of token ids")
    if not prompt:
        raise _invalid(f"number {place} has no tokens")
    if not all(0 <= token <= MAX_COUNT for token in prompt):
        raise _invalid(f"number {place} holds a number that is no token id")


def _is_token(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _invalid(message: str) -> PydanticCustomError:
    return PydanticCustomError("prompt", "{reason}", {"reason": message})


_TOKENS = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
_PROMPT_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST},
        _TOKENS,
        {"type": "array", "items": _TOKENS, "minItems": 1, "maxItems": MOST},
    ]
}


class CompletionRequest(Sampling):
    """Texts to go on with."""

    harmless = frozenset({"user", "metadata", "store"})

    model: str
    prompt: Annotated[list[Prompt], BeforeValidator(_read_prompts), WithJsonSchema(_PROMPT_SCHEMA)]

    echo: bool | None = None
    #: -1: without a bound
    max_tokens: Annotated[int, Field(ge=-1, le=MAX_COUNT)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    n: Annotated[int, Field(ge=1, le=MOST)] | None = None
    best_of: Annotated[int, Field(ge=0, le=20)] | None = None
    suffix: str | None = None

    adapters: Annotated[str, Field(min_length=1)] | None = None

    @field_validator("max_tokens")
    @classmethod
    def _none_only_to_echo(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value == 0 and not info.data.get("echo"):
            raise PydanticCustomError("range", "may be 0 with echo only")
        return value

    @field_validator("n")
    @classmethod
    def _not_too_many(cls, value: int | None, info: ValidationInfo) -> int | None:
        return _few(value, info)

    @field_validator("best_of")
    @classmethod
    def _enough_to_choose_from(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value and value < (info.data.get("n") or 1):
            raise PydanticCustomError("range", "must not be smaller than n")
        if value is not None and value > 1 and info.data.get("stream"):
            raise PydanticCustomError("not_supported", "can't be streamed: the best is known at the end only")
        return _few(value, info)

    @field_validator("suffix")
    @classmethod
    def _no_suffix(cls, value: str | None) -> str | None:
        if value:
            raise PydanticCustomError("not_supported", "is not supported: text is only added at the end")
        return value

    def payload(self, usual: int | None = None) -> CompletionPayload:
        """The job's payload. `usual`: the tokens of an answer whose request bounds none."""
        n, most = self.n or 1, self.max_tokens
        if most is None:
            most = usual or _MAX_TOKENS
        return CompletionPayload(
            prompts=self.prompt,
            max_tokens=most,
            n=n,
            best_of=self.best_of if self.best_of is not None and self.best_of > n else None,
            echo=bool(self.echo),
            logprobs=self.logprobs,
            **self.sampling(),
        )

    @property
    def choices(self) -> int:
        return len(self.prompt) * (self.n or 1)


def _few(value: int | None, info: ValidationInfo) -> int | None:
    prompts = len(info.data.get("prompt") or ())
    if value is not None and value * prompts > MOST:
        raise PydanticCustomError(
            "range",
            "asks for more than {most} texts with {prompts} prompts",
            {"most": MOST, "prompts": prompts},
        )
    return value
