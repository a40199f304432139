"""A name that a user gave to a model, with defaults for the parameters of requests that use it.

It knows what such a name holds and what it adds to a payload. It does not know where names are kept.
"""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, structs

from jobs.payloads import ChatPayload, TextPayload

Text = TypeVar("Text", bound=TextPayload)

_LARGEST = 2**31 - 1
Count = Annotated[int, Meta(ge=1, le=_LARGEST)]
Share = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
StopText = Annotated[str, Meta(min_length=1, max_length=4096)]


class ModelAlias(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """`model` is any name of a model, also with an adapter. `system` is for chats without a system prompt."""

    model: Annotated[str, Meta(min_length=1, max_length=1024)]
    system: Annotated[str, Meta(max_length=1_000_000)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=_LARGEST)] | None = None
    min_p: Share | None = None
    max_tokens: Count | None = None
    stop: Annotated[list[StopText], Meta(max_length=16)] | StopText | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=2)] | None = None
    repetition_context_size: Count | None = None
    presence_penalty: Penalty | None = None
    presence_context_size: Count | None = None
    frequency_penalty: Penalty | None = None
    frequency_context_size: Count | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    enable_thinking: bool | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """The defaults that are given, by the names of a payload's fields; without `system`."""
        found = {name: getattr(self, name) for name in _PARAMETERS}
        if isinstance(self.stop, str):
            found["stop"] = [self.stop]
        return {name: value for name, value in found.items() if value is not None}

    def fill(self, payload: Text) -> Text:
        """The payload with these defaults where its request gave nothing."""
        # A field that the payload does not have counts as given.
        added = {
            name: value for name, value in self.parameters.items() if getattr(payload, name, value) is None
        }
        if self.system and isinstance(payload, ChatPayload) and not _is_guided(payload):
            added["messages"] = [{"role": "system", "content": self.system}, *payload.messages]
        return structs.replace(payload, **added) if added else payload


_PARAMETERS = tuple(name for name in ModelAlias.__struct_fields__ if name not in ("model", "system"))


def _is_guided(payload: ChatPayload) -> bool:
    """Whether a chat has a system prompt."""
    return any(message["role"] == "system" for message in payload.messages)
