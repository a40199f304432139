"""A request with its conversation: what the model is told, offered and held to."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from api.inputs.grammar import Wanted
from api.openai.responses.conversation import Conversation
from api.openai.responses.items import InputItem
from api.openai.responses.schema import Asked, ResponseRequest
from api.openai.responses.tool_choice import Chosen, choose
from api.openai.responses.tools import Offers
from api.openai.sampling import known_effort, verbose
from jobs.errors import InvalidRequest
from jobs.payloads import ChatPayload, ForcedFunction, Grammar, Message


class Ask(msgspec.Struct, frozen=True):
    """`unread`: items that no model was told, in words."""

    asked: Asked
    messages: list[Message]
    offers: Offers
    chosen: Chosen
    unread: list[str]

    @staticmethod
    def of(asked: Asked, before: Sequence[InputItem] = ()) -> "Ask":
        """With the items of the responses before it. Raises InvalidRequest."""
        conversation = Conversation(asked.instructions)
        conversation.add(before, "previous_response_id")
        conversation.add(asked.input)
        own = [(f"tools[{place}]", tool) for place, tool in enumerate(asked.tools or ())]
        offers = Offers([*own, *conversation.tools])
        messages = conversation.end()
        if not messages:
            raise InvalidRequest(
                "Invalid 'input': it needs a text, or at least one item that a model can read.",
                param="input",
                code="invalid_value",
            )
        return Ask(asked, messages, offers, choose(offers, asked.tool_choice), list(conversation.unread))

    @property
    def enforced(self) -> Iterator[Wanted]:
        """Every schema that the answer will be held to."""
        if self.asked.text and (schema := self.asked.text.enforced) is not None:
            yield Wanted("text.format.schema", schema)
        held = self.chosen.held
        for offer in self.chosen.offers:
            function = offer.function
            forced = isinstance(held, ForcedFunction) and held.name == function.name
            if offer.lark is not None:
                yield Wanted(f"{offer.param}.format.definition", {}, function.name, offer.lark)
            elif function.parameters is not None and (forced or held == "required" or function.strict):
                yield Wanted(f"{offer.param}.parameters", function.parameters, function.name)

    @property
    def unheeded(self) -> list[str]:
        """What was asked for and does not count."""
        told = []
        if self.offers.unserved:
            told.append(
                f"tools that this server does not have were left out: {', '.join(self.offers.unserved)}"
            )
        if self.chosen.unserved is not None:
            told.append(
                f"tool_choice '{self.chosen.unserved}' is ignored: this server does not have the tool"
            )
        if self.unread:
            told.append(f"not read: {', '.join(self.unread)}")
        return [*told, *verbose(self.asked.text.verbosity if self.asked.text else None)]

    def payload(self) -> ChatPayload:
        """The job's payload, but for what the names in it mean."""
        asked, chosen = self.asked, self.chosen
        more: dict[str, Any] = {}
        if isinstance(asked, ResponseRequest):
            more = {
                "max_tokens": asked.max_output_tokens,
                "logprobs": asked.logprobs,
                "enable_thinking": asked.enable_thinking,
                "chat_template_kwargs": asked.chat_template_kwargs,
            }
        schema = asked.text.enforced if asked.text else None
        tools = [offer.plain() for offer in chosen.offers]
        return ChatPayload(
            messages=self.messages,
            truncate=asked.truncation == "auto",
            reasoning_effort=known_effort(asked.reasoning.effort) if asked.reasoning else None,
            grammar=Grammar(schema) if schema is not None else None,
            tools=tools or None,
            tool_choice=chosen.held if tools else None,
            parallel_tool_calls=False if tools and asked.parallel_tool_calls is False else None,
            **more,
            **asked.sampling(),
        )
