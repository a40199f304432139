"""How text is sampled: the fields that every request for text has, with OpenAI's ranges."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from api.http.bodies.fields import MAX_COUNT, Count, KeepAlive, Penalty, Probability, RequestModel, Seed
from api.http.job_options.service_class import Ranked

#: What is handed to the engine as it is, when the client said it.
_AS_SAID = (
    "temperature",
    "top_k",
    "min_p",
    "xtc_probability",
    "xtc_threshold",
    "repetition_penalty",
    "repetition_context_size",
    "presence_penalty",
    "presence_context_size",
    "frequency_penalty",
    "frequency_context_size",
    "logit_bias",
    "seed",
    "ignore_eos",
    "keep_alive",
)

#: Engines take a top_p of 0 for "off"; to OpenAI's clients it means "only the likeliest token".
SMALLEST_TOP_P = 1e-6

Temperature = Annotated[float, Field(ge=0, le=2)]
#: -1 means off too, as it does for vLLM.
TopK = Annotated[int, Field(ge=-1, le=MAX_COUNT), AfterValidator(lambda value: max(0, value))]
RepetitionPenalty = Annotated[float, Field(gt=0, le=2)]
TokenId = Annotated[str, Field(pattern=r"^[0-9]{1,9}$")]
Bias = Annotated[float, Field(ge=-100, le=100)]
#: It is compared with the end of a text after each token.
StopText = Annotated[str, Field(min_length=1, max_length=4_096)]
#: OpenAI takes four of them; editors that complete code send more.
StopTexts = Annotated[
    list[StopText],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    Field(max_length=16),
]


#: How much a model is to think. Templates do not know the last one.
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


def known_effort(wanted: Effort | None) -> str | None:
    """The effort as templates know it."""
    return "xhigh" if wanted == "max" else wanted


#: How long an answer should be, which models of OpenAI's have learned.
Verbosity = Literal["low", "medium", "high"]


def verbose(wanted: Verbosity | None) -> list[str]:
    """What is to be told of it."""
    return (
        ["verbosity has no effect: say in the prompt how long the answer should be"]
        if wanted in ("low", "high")
        else []
    )


class StreamOptions(RequestModel):
    include_usage: bool | None = None


class Sampling(Ranked):
    """What chats and completions have in common."""

    temperature: Temperature | None = None
    top_p: Probability | None = None
    top_k: TopK | None = None
    min_p: Probability | None = None
    xtc_probability: Probability | None = None
    xtc_threshold: Annotated[float, Field(ge=0, le=0.5)] | None = None
    repetition_penalty: RepetitionPenalty | None = None
    repetition_context_size: Count | None = None
    presence_penalty: Penalty | None = None
    presence_context_size: Count | None = None
    frequency_penalty: Penalty | None = None
    frequency_context_size: Count | None = None
    logit_bias: dict[TokenId, Bias] | None = None
    seed: Seed | None = None
    stop: StopTexts | None = None
    ignore_eos: bool | None = None
    keep_alive: KeepAlive | None = None

    stream: bool | None = None
    stream_options: StreamOptions | None = None
    background: bool | None = None

    @field_validator("logit_bias", mode="before")
    @classmethod
    def _words_without_weight(cls, value: Any) -> Any:
        """A bias of 0 changes nothing, whatever it is for: SDKs' own examples have words there."""
        if not isinstance(value, dict):
            return value
        return {token: bias for token, bias in value.items() if bias != 0 or str(token).isdecimal()}

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def sampling(self) -> dict[str, Any]:
        """What the client gave and no more, so that the model's own defaults hold."""
        said = {name: getattr(self, name) for name in _AS_SAID}
        top_p = None if self.top_p is None else max(self.top_p, SMALLEST_TOP_P)
        return {**said, "top_p": top_p, "stop": self.stop or None}
