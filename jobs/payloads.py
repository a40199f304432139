"""What jobs ask of the worker: one type for each kind of request.

Requests are validated before: these types say what a payload has, not what values are sensible. What is not given is
left out of the JSON, so that the model's own defaults hold. Blobs are named by their ids.
"""

from typing import Any, Literal, TypeAlias

import msgspec

from config.values import JsonObject

#: A message of a chat and a tool, in OpenAI's JSON, as their client wrote them.
Message: TypeAlias = dict[str, Any]
Tool: TypeAlias = dict[str, Any]


class Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all kinds have: the seconds that the model stays in memory after the answer; None: as configured."""

    keep_alive: float | None = None


class NoPayload(Payload, frozen=True):
    """Unloading needs nothing beyond the model."""


class LoadPayload(Payload, frozen=True, kw_only=True):
    """`stand_in`: whether another worker may load the model when the one that was chosen for it has ended."""

    stand_in: bool = False


class TextPayload(Payload, frozen=True, kw_only=True):
    """What chats and completions have in common."""

    #: -1: as many as the context has room for; None: as many as is usual for the model
    max_tokens: int | None = None
    #: choices for each prompt
    n: int = 1
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    xtc_probability: float | None = None
    xtc_threshold: float | None = None
    repetition_penalty: float | None = None
    repetition_context_size: int | None = None
    presence_penalty: float | None = None
    presence_context_size: int | None = None
    frequency_penalty: float | None = None
    frequency_context_size: int | None = None
    #: by token ids
    logit_bias: dict[str, float] | None = None
    seed: int | None = None
    ignore_eos: bool | None = None
    stop: list[str] | None = None
    #: log-probabilities of the tokens, with so many alternatives for each
    logprobs: int | None = None
    #: the model that guesses ahead
    draft_model: str | None = None


class Grammar(msgspec.Struct, frozen=True):
    """What an answer is held to."""

    json_schema: JsonObject


class ForcedFunction(msgspec.Struct, frozen=True):
    """The one function that has to be called."""

    name: str


class ChatPayload(TextPayload, frozen=True, kw_only=True):
    """A chat. `messages` and `tools` are the client's JSON, in OpenAI's shape; images are parts with a `blob`."""

    messages: list[Message]
    tools: list[Tool] | None = None
    tool_choice: Literal["required"] | ForcedFunction | None = None
    parallel_tool_calls: bool | None = None
    #: by functions' names, where less is enforced than the schema says
    tool_schemas: dict[str, JsonObject] | None = None
    #: by functions' names, the Lark grammar of the only argument, `input`, within its quotes
    tool_grammars: dict[str, str] | None = None
    grammar: Grammar | None = None
    #: the last message is the beginning of the answer
    continue_final_message: bool = False
    #: whether the prompt ends with the beginning of an answer
    add_generation_prompt: bool = True
    #: whether the oldest messages may be left out where the context is too short for all
    truncate: bool = False
    enable_thinking: bool | None = None
    reasoning_effort: str | None = None
    chat_template_kwargs: JsonObject | None = None


class CompletionPayload(TextPayload, frozen=True, kw_only=True):
    """Texts, or tokens, to go on with."""

    prompts: list[str | list[int]]
    #: answers of which the best `n` are returned
    best_of: int | None = None
    #: whether the prompt is part of the answer
    echo: bool = False


#: What a language model's engine takes.
LanguagePayload: TypeAlias = ChatPayload | CompletionPayload


class EmbeddingPayload(Payload, frozen=True, kw_only=True):
    """Texts, or tokens, to make vectors of. `truncate`: of texts that are too long for the model the end is cut."""

    inputs: list[str | list[int]]
    dimensions: int | None = None
    truncate: bool = False


class RerankPayload(Payload, frozen=True, kw_only=True):
    """Documents to be put in the order in which they answer a query.

    `top`: so many of them are wanted. `texts`: the answer has their texts. `raw`: scores are the model's own.
    `truncate`: what is too long for the model is cut. `document_tokens`: of a document these are read at most.
    """

    query: str
    documents: list[str]
    top: int | None = None
    texts: bool = False
    raw: bool = False
    truncate: bool = True
    document_tokens: int | None = None
    #: what is searched for, for models that read it
    instruction: str | None = None


class TranscriptionPayload(Payload, frozen=True, kw_only=True):
    """A recording. `audio` is its blob, `seconds` its length as far as it is known; `words`: their times too."""

    audio: str
    seconds: float | None = None
    language: str | None = None
    prompt: str | None = None
    temperature: float | None = None
    words: bool = False
    translate: bool = False
    seed: int | None = None


class VoiceReference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A recording of the voice that is to speak: the id of its blob.

    `text` is what is said in it. `usual`: nobody asked for this voice.
    """

    audio: str
    text: str | None = None
    usual: bool = False


class SpeechPayload(Payload, frozen=True, kw_only=True):
    """A text to be spoken. `stream`: its sound is sent while it is made."""

    input: str
    format: str
    voice: str | None = None
    reference: VoiceReference | None = None
    instructions: str | None = None
    language: str | None = None
    #: how fast it is spoken; None: as the voice does
    speed: float | None = None
    seed: int | None = None
    stream: bool = False


class Lora(msgspec.Struct, frozen=True):
    """An adapter's file, by its name below the model roots, and how much it counts."""

    name: str
    scale: float


Mode: TypeAlias = Literal["generate", "edit", "variation"]
Format: TypeAlias = Literal["png", "jpeg", "webp"]


class ImagePayload(Payload, frozen=True, kw_only=True):
    """Images of a text, or of other images (blobs). `mask`: transparent where the first of them is to change."""

    prompt: str
    width: int
    height: int
    mode: Mode
    n: int
    format: Format
    #: per cent
    compression: int | None
    #: whether each step shows a small image
    previews: bool
    #: whether files tell how they were made
    metadata: bool
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    negative_prompt: str | None = None
    images: list[str] | None = None
    mask: str | None = None
    strength: float | None = None
    loras: list[Lora] | None = None
    #: images in full size before an image is done
    partial_images: int | None = None


class DownloadPayload(Payload, frozen=True, kw_only=True):
    """The hub that a model is fetched from: `huggingface` or `modelscope`."""

    source: str
