"""`POST /api/chat` and `/api/generate`: the requests."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

import orjson
from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from api.http.bodies.base64_text import is_data_url
from api.http.bodies.fields import RequestModel, wrong
from api.http.bodies.nesting import not_deeper_than
from api.inputs.answer_schema import without_switches
from api.inputs.functions import DEEPEST_SCHEMA
from api.inputs.grammar import Wanted
from api.ollama.options import Options
from api.ollama.request import ModelRequest
from api.openai.chat.messages import Message as ChatMessage
from api.openai.chat.messages import plain_messages
from api.openai.chat.tools import Tool
from config.values import JsonObject
from jobs.payloads import ChatPayload, CompletionPayload, Grammar

_ANY_OBJECT: JsonObject = {"type": "object"}
_LEVELS = ("low", "medium", "high", "max")


def _read_format(value: Any) -> Any:
    """`json`, a schema, or its JSON text; the empty text means none."""
    if value in ("", None):
        return None
    if value == "json":
        return _ANY_OBJECT
    if isinstance(value, str):
        with contextlib.suppress(orjson.JSONDecodeError):
            value = orjson.loads(value)
    if not isinstance(value, dict):
        raise PydanticCustomError("format", "must be 'json' or a JSON schema")
    not_deeper_than(DEEPEST_SCHEMA, value)
    return without_switches(value)


Format = Annotated[
    dict[str, object] | None,
    BeforeValidator(_read_format),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "null"}]}),
]

Image = Annotated[str, Field(min_length=1)]


class OllamaInputMessage(ChatMessage):
    """A chat's message; `images` are in base64."""

    images: list[Image] | None = None

    @model_validator(mode="before")
    @classmethod
    def _images_are_parts(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        data = {"content": "", **{key: value for key, value in data.items() if value is not None}}
        images, content = data.get("images"), data["content"]
        if isinstance(images, list) and images and isinstance(content, str):
            data["content"] = [{"type": "text", "text": content}, *map(_image, images)]
        return data


def _image(data: Any) -> dict[str, Any]:
    url = data
    if isinstance(data, str) and not is_data_url(data):
        url = f"data:image/png;base64,{data}"
    return {"type": "image_url", "image_url": {"url": url}}


class Asked(ModelRequest):
    """What chat and generate have in common."""

    harmless = frozenset({"shift"})
    inside: ClassVar[Mapping[str, type[RequestModel]]] = {"options": Options}

    stream: bool = True
    format: Format = None
    options: Options | None = None
    think: bool | Literal["low", "medium", "high", "max"] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    @property
    def enforced(self) -> Iterator[Wanted]:
        if self.format is not None:
            yield Wanted("format", self.format)

    def _common(self) -> dict[str, Any]:
        return {
            **(self.options or Options()).sampling(),
            "keep_alive": self.keep_alive,
            "logprobs": (self.top_logprobs or 0) if self.logprobs else None,
        }

    def _thinking(self) -> dict[str, Any]:
        effort = self.think if isinstance(self.think, str) else None
        return {
            "enable_thinking": None if self.think is None else bool(self.think),
            "reasoning_effort": "xhigh" if effort == "max" else effort,
            "grammar": None if self.format is None else Grammar(self.format),
        }


class OllamaChatRequest(Asked):
    """Without messages the model is loaded, or unloaded by a `keep_alive` of 0. `truncate`: the oldest messages are
    left out where not all fit.
    """

    messages: list[OllamaInputMessage] = Field(default_factory=list)
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    truncate: bool | None = None

    def payload(self) -> ChatPayload:
        goes_on = self.messages[-1].role == "assistant" and not self.messages[-1].calls
        return ChatPayload(
            messages=plain_messages(self.messages),
            continue_final_message=goes_on,
            truncate=bool(self.truncate),
            tools=[tool.plain() for tool in self.tools or ()] or None,
            **self._common(),
            **self._thinking(),
        )


class OllamaGenerateRequest(Asked):
    """Without a prompt the model is loaded, or unloaded by a `keep_alive` of 0. `raw` prompts get no template."""

    harmless = frozenset({*Asked.harmless, "truncate"})
    idle: ClassVar[Mapping[str, object]] = {"context": [], "template": ""}

    prompt: str = ""
    system: str | None = None
    suffix: str | None = None
    raw: bool = False
    images: list[Image] | None = None

    @model_validator(mode="after")
    def _no_suffix(self) -> "OllamaGenerateRequest":
        if self.suffix:
            raise PydanticCustomError("not_supported", "suffix is not supported", {"param": "suffix"})
        return self

    @model_validator(mode="after")
    def _raw_is_plain_text(self) -> "OllamaGenerateRequest":
        for name in ("system", "format", "images"):
            if self.raw and getattr(self, name):
                raise wrong(name, "does not go together with raw")
        return self

    def payload(self) -> ChatPayload | CompletionPayload:
        if self.raw:
            return CompletionPayload(prompts=[self.prompt], **self._common())
        said: list[dict[str, Any]] = [{"role": "system", "content": self.system}] if self.system else []
        said.append({"role": "user", "content": self.prompt, "images": self.images})
        messages = [OllamaInputMessage.model_validate(each) for each in said]
        return ChatPayload(messages=plain_messages(messages), **self._common(), **self._thinking())
