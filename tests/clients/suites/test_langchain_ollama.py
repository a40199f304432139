"""langchain-ollama against LangChain's own standard tests for chat models and embeddings.

Skipped by the standard tests themselves: images, audio and PDF as input (they are fetched from the net, and the model
under test reads text), `tool_choice`, which Ollama's API does not have, Anthropic's content blocks, and the benchmark
that needs recorded answers.
"""

# The libraries are not in the environment that mypy looks into.
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return"

from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_ollama import ChatOllama, OllamaEmbeddings, OllamaLLM
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests

from tests.clients.suites.server import CHAT, DIMENSIONS, EMBEDDING, RANDOM, ROOT

_ARGUMENT = "copies no number out of a sentence about a function whose name means nothing to it"
_CALL = "answers in words where it may, and Ollama's API can't demand a call"
BEYOND_TINY_CHAT = {
    "test_bind_runnables_as_tools": _CALL,
    "test_tool_calling_with_no_arguments": _CALL,
    "test_tool_calling[model0]": _ARGUMENT,
    "test_tool_calling[model1]": _ARGUMENT,
    "test_tool_calling_async": _ARGUMENT,
    "test_json_mode": "writes an object, which is all that this mode promises, but not with the keys it is asked for",
    "test_unicode_tool_call_integration": "does not copy a Chinese name, and rambles until max_tokens",
}


class TestChat(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOllama

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": CHAT, "base_url": ROOT, "temperature": 0, "num_predict": 200}

    @property
    def has_tool_calling(self) -> bool:
        return True

    @property
    def has_tool_choice(self) -> bool:
        return False

    @property
    def has_structured_output(self) -> bool:
        return True

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def returns_usage_metadata(self) -> bool:
        return True

    @property
    def supports_model_override(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return RANDOM


class TestEmbeddings(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return OllamaEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": EMBEDDING, "base_url": ROOT}


def test_thoughts_are_apart() -> None:
    answer = ChatOllama(model=CHAT, base_url=ROOT, temperature=0, reasoning=True).invoke(
        "What is the capital of France?"
    )
    assert "Paris" in answer.text
    assert "Paris" in answer.additional_kwargs["reasoning_content"]


def test_a_prompt_is_completed() -> None:
    model = OllamaLLM(model=CHAT, base_url=ROOT, temperature=0)
    text = model.invoke("What is the capital of France?")
    assert "Paris" in text
    assert "".join(model.stream("What is the capital of France?")) == text


def test_a_model_is_looked_for_when_asked() -> None:
    assert ChatOllama(model=CHAT, base_url=ROOT, validate_model_on_init=True)
    with pytest.raises(ValueError, match="nobody"):
        ChatOllama(model="nobody", base_url=ROOT, validate_model_on_init=True)


def test_vectors_have_their_size() -> None:
    vectors = OllamaEmbeddings(model=EMBEDDING, base_url=ROOT).embed_documents(["A cat sleeps.", "Taxes."])
    assert [len(vector) for vector in vectors] == [DIMENSIONS] * 2
