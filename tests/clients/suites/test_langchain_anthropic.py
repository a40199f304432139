"""langchain-anthropic against LangChain's own standard tests for chat models.

Skipped by the standard tests themselves: images, audio and PDF as input (they are fetched from the net, and the model
under test reads text), and the benchmark that needs recorded answers.
"""

# The libraries are not in the environment that mypy looks into.
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return"

from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_tests.integration_tests import ChatModelIntegrationTests

from tests.clients.suites.server import CHAT, KEY, RANDOM, ROOT

_ARGUMENT = "copies no number out of a sentence about a function whose name means nothing to it"
BEYOND_TINY_CHAT = {
    "test_tool_calling[model0]": _ARGUMENT,
    "test_tool_calling[model1]": _ARGUMENT,
    "test_tool_calling_async": _ARGUMENT,
    "test_unicode_tool_call_integration": "does not copy a Chinese name, and rambles until max_tokens",
}

#: A system prompt that is long enough for a part of it to be in the prompt cache.
TOLD = [
    {"role": "system", "content": "A story of a fox, told at length. " * 20},
    {"role": "user", "content": "Who?"},
]


class TestChat(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatAnthropic

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "model": CHAT,
            "base_url": ROOT,
            "api_key": KEY,
            "temperature": 0,
            "max_tokens": 200,
            "max_retries": 0,
        }

    @property
    def has_tool_calling(self) -> bool:
        return True

    @property
    def has_tool_choice(self) -> bool:
        return True

    @property
    def has_structured_output(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def returns_usage_metadata(self) -> bool:
        return True

    @property
    def supported_usage_metadata_details(self) -> dict[str, list[str]]:
        return {"invoke": ["cache_read_input"], "stream": ["cache_read_input"]}

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        model = ChatAnthropic(**self.chat_model_params)
        model.invoke(TOLD)
        if not stream:
            return model.invoke(TOLD)
        whole: AIMessageChunk | None = None
        for chunk in model.stream(TOLD):
            whole = chunk if whole is None else whole + chunk
        assert whole is not None
        return whole

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return RANDOM


def test_thoughts_come_back_with_their_signature() -> None:
    model = ChatAnthropic(
        model=CHAT,
        base_url=ROOT,
        api_key=KEY,
        max_tokens=2000,
        max_retries=0,
        thinking={"type": "enabled", "budget_tokens": 1024},
    )
    first = model.invoke("What is the capital of France?")
    assert [block["type"] for block in first.content] == ["thinking", "text"]
    assert first.content[0]["signature"]
    second = model.invoke([("user", "What is the capital of France?"), first, ("user", "And of Italy?")])
    assert second.text


def test_tokens_are_counted() -> None:
    model = ChatAnthropic(model=CHAT, base_url=ROOT, api_key=KEY, max_tokens=5, max_retries=0)
    asked = [("user", "What is the capital of France?")]
    assert (
        model.get_num_tokens_from_messages(model._convert_input(asked).to_messages())
        == (model.invoke(asked).usage_metadata["input_tokens"])
    )
