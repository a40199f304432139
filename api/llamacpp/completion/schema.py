"""`POST /completion`: the request. Options of llama.cpp's engine alone have no effect."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from api.http.bodies.fields import MAX_COUNT, Penalty, Probability, RequestModel
from api.inputs.penalties import MISSING_SAMPLERS, penalties
from api.llamacpp.dialect import USUAL_MODEL, ModelName
from api.openai.sampling import SMALLEST_TOP_P, Bias, StopText, TokenId
from jobs.payloads import CompletionPayload

#: A seed that is drawn: -1, also as llama.cpp's own 32 bits.
_DRAWN = (-1, 2**32 - 1)
#: The least bias, of a token that is not to be written.
_NEVER = -100.0

Token = Annotated[int, Field(ge=0, le=MAX_COUNT)]
#: -1 and -2 mean without a bound.
Number = Annotated[int, Field(ge=-2, le=MAX_COUNT)]


def _one_prompt(value: Any) -> Any:
    """A text, or tokens; a list of one prompt is that prompt."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str | list):
        return value[0]
    if isinstance(value, list) and any(isinstance(each, list | str | dict) for each in value):
        raise PydanticCustomError(
            "prompt", "must be one text or one list of tokens; /v1/completions takes several prompts"
        )
    return value


def _biases(value: Any) -> Any:
    """Pairs of a token and its bias, `false` for one that is not to be written, as an object."""
    if not isinstance(value, list):
        return value
    found = {}
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2 or type(pair[0]) is not int:
            raise PydanticCustomError("bias", "must hold pairs of a token's id and a number or false")
        token, bias = pair
        found[str(token)] = _NEVER if bias is False else bias
    return found


class LlamaCompletionRequest(RequestModel):
    """A text to go on with, without a template."""

    harmless = frozenset(
        {
            *("cache_prompt", "id_slot", "n_keep", "n_cache_reuse", "sse_ping_interval"),
            # Numbers of samplers whose own names count.
            *("mirostat_tau", "mirostat_eta", "dynatemp_exponent", "dry_base", "dry_allowed_length"),
            *("dry_penalty_last_n", "dry_sequence_breakers"),
        }
    )
    idle: ClassVar[Mapping[str, object]] = {
        **MISSING_SAMPLERS,
        **dict.fromkeys(("min_keep", "n_indent", "n_probs", "t_max_predict_ms"), 0),
        **dict.fromkeys(("return_progress", "return_tokens", "timings_per_token"), False),
        "post_sampling_probs": False,
        "lora": [],
        "response_fields": [],
    }

    model: ModelName = USUAL_MODEL
    prompt: Annotated[
        str | list[Token],
        BeforeValidator(_one_prompt),
        WithJsonSchema(
            {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}, "minItems": 1}]}
        ),
    ]
    n_predict: Number | None = None
    max_tokens: Number | None = None
    stream: bool = False
    stop: Annotated[list[StopText], Field(max_length=16)] | None = None
    temperature: Annotated[float, Field(ge=-1, le=2)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=MAX_COUNT)] | None = None
    top_p: Probability | None = None
    min_p: Probability | None = None
    xtc_probability: Probability | None = None
    xtc_threshold: Probability | None = None
    repeat_penalty: Annotated[float, Field(gt=0, le=2)] | None = None
    repeat_last_n: Number | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: Annotated[int, Field(ge=-1, le=2**63 - 1)] | None = None
    ignore_eos: bool | None = None
    logit_bias: (
        Annotated[
            dict[TokenId, Bias],
            BeforeValidator(_biases),
            WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "array"}]}),
        ]
        | None
    ) = None
    grammar: str | None = None
    json_schema: dict[str, object] | None = None

    @field_validator("prompt")
    @classmethod
    def _has_tokens(cls, value: str | list[int]) -> str | list[int]:
        if value == []:
            raise PydanticCustomError("prompt", "has no tokens")
        return value

    @field_validator("grammar", "json_schema")
    @classmethod
    def _not_enforced(cls, value: Any) -> Any:
        if value:
            raise PydanticCustomError(
                "not_supported", "is not supported here: response_format of /v1/chat/completions is"
            )
        return None

    def payload(self) -> CompletionPayload:
        """What the client did not give is left to the model's own defaults."""
        most = self.max_tokens if self.n_predict is None else self.n_predict
        threshold = self.xtc_threshold
        return CompletionPayload(
            prompts=[self.prompt],
            max_tokens=None if most is None else max(-1, most),
            stop=self.stop or None,
            temperature=None if self.temperature is None else max(0.0, self.temperature),
            top_k=None if self.top_k is None else max(0, self.top_k),
            top_p=None if self.top_p is None else max(self.top_p, SMALLEST_TOP_P),
            min_p=self.min_p,
            # Above a half there are no two tokens of that probability, and nothing is left out.
            xtc_probability=0.0 if threshold is not None and threshold > 0.5 else self.xtc_probability,
            xtc_threshold=None if threshold is None else min(threshold, 0.5),
            **penalties(
                self.repeat_last_n,
                repeat=self.repeat_penalty,
                presence=self.presence_penalty,
                frequency=self.frequency_penalty,
            ),
            seed=None if self.seed in _DRAWN else self.seed,
            ignore_eos=self.ignore_eos,
            logit_bias=self.logit_bias or None,
        )
