"""langchain-openai against LangChain's own standard tests for chat models and embeddings.

Skipped by the standard tests themselves: images, audio and PDF as input (they are fetched from the net, and the model
under test reads text), Anthropic's content blocks, and the benchmark that needs recorded answers.
"""

# The libraries are not in the environment that mypy looks into.
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return"

from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests

from tests.clients.suites.server import CHAT, DIMENSIONS, EMBEDDING, KEY, RANDOM, URL

_ARGUMENT = "copies no number out of a sentence about a function whose name means nothing to it"
BEYOND_TINY_CHAT = {
    "test_tool_calling[model0]": _ARGUMENT,
    "test_tool_calling[model1]": _ARGUMENT,
    "test_tool_calling_async": _ARGUMENT,
    "test_json_mode": "writes an object, which is all that this mode promises, but not with the keys it is asked for",
    "test_unicode_tool_call_integration": "does not copy a Chinese name, and rambles until max_tokens",
}


class TestChat(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "model": CHAT,
            "base_url": URL,
            "api_key": KEY,
            "temperature": 0,
            "max_tokens": 200,
            "max_retries": 0,
            "stream_usage": True,
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
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {
            "model": EMBEDDING,
            "base_url": URL,
            "api_key": KEY,
            "max_retries": 0,
            # Else LangChain sends the token ids of OpenAI's vocabulary, and fetches that from the net.
            "check_embedding_ctx_length": False,
        }


@pytest.fixture
def embeddings() -> OpenAIEmbeddings:
    return OpenAIEmbeddings(
        model=EMBEDDING, base_url=URL, api_key=KEY, max_retries=0, check_embedding_ctx_length=False
    )


def test_texts_of_one_meaning_are_close(embeddings: OpenAIEmbeddings) -> None:
    cat, kitten, tax = embeddings.embed_documents(
        ["A cat sleeps.", "A kitten naps.", "Taxes are due in May."]
    )
    assert len(cat) == DIMENSIONS
    assert sum(a * b for a, b in zip(cat, kitten, strict=True)) > sum(
        a * b for a, b in zip(cat, tax, strict=True)
    )


def test_many_texts_keep_their_order(embeddings: OpenAIEmbeddings) -> None:
    """Three requests, the last one smaller."""
    texts = [f"number {n}" for n in range(13)]
    many = embeddings.embed_documents(texts, chunk_size=5)
    assert len(many) == 13
    for n in (0, 6, 12):
        assert many[n] == pytest.approx(embeddings.embed_query(texts[n]), abs=1e-3)
