"""The answers of chats and completions: OpenAI's, with what made them and how fast. The types only."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from api.openai.chat.completion import ChatChunk, ChatCompletion
from api.openai.completions.completion import Completion, CompletionChunk

StopReason = Literal[
    "contextLengthReached", "eosFound", "maxPredictedTokensReached", "stopStringFound", "toolCalls"
]


class LmStudioStats(TypedDict):
    """Times are in seconds."""

    tokens_per_second: float
    time_to_first_token: float
    generation_time: float
    stop_reason: StopReason


class LmStudioModelInfo(TypedDict):
    arch: str
    quant: str
    format: Literal["mlx"]
    context_length: int


class LmStudioRuntime(TypedDict):
    name: str
    version: str
    supported_formats: list[str]


class LmStudioChat(ChatCompletion):
    stats: LmStudioStats
    model_info: LmStudioModelInfo
    runtime: LmStudioRuntime


class LmStudioCompletion(Completion):
    stats: LmStudioStats
    model_info: LmStudioModelInfo
    runtime: LmStudioRuntime


class LmStudioChatChunk(ChatChunk):
    """The rest, and `usage` if it was not asked for as OpenAI has it, comes with the end of the last choice."""

    stats: NotRequired[LmStudioStats]
    model_info: NotRequired[LmStudioModelInfo]
    runtime: NotRequired[LmStudioRuntime]


class LmStudioCompletionChunk(CompletionChunk):
    """The same of a text."""

    stats: NotRequired[LmStudioStats]
    model_info: NotRequired[LmStudioModelInfo]
    runtime: NotRequired[LmStudioRuntime]
