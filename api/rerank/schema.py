"""`/v1/rerank`, `/rerank` and `/v2/rerank`: the request of Jina and Cohere, that of TEI, and their answers."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType, TypedDict

from api.http.bodies.fields import Count, KeepAlive, wrong
from api.http.job_options.service_class import Ranked
from jobs.payloads import RerankPayload
from mlxq.catalog.aliases import DEFAULT

#: Documents of one request.
MOST = 2048


def _text_of(value: Any) -> Any:
    """A document: a text, or an object that has it as `text`."""
    if isinstance(value, dict):
        value = value.get("text")
    if not isinstance(value, str):
        raise PydanticCustomError("document", "must be a text or an object with a 'text'")
    return value


Document = Annotated[
    str,
    BeforeValidator(_text_of),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
            ]
        }
    ),
]
Text = Annotated[str, Field(min_length=1)]


class RerankRequest(Ranked):
    """Jina's and Cohere's clients send `documents`, those of TEI `texts`. `instruction`: for models that read one.

    `truncation` is Voyage's word for `truncate`, with another default.
    """

    harmless = frozenset({"user"})

    model: Text = DEFAULT
    query: Text
    documents: Annotated[list[Document], Field(min_length=1, max_length=MOST)] | None = None
    top_n: Count | None = None
    return_documents: bool | None = None
    max_tokens_per_doc: Count | None = None
    truncation: bool = True

    texts: Annotated[list[str], Field(min_length=1, max_length=MOST)] | None = None
    raw_scores: bool = False
    return_text: bool = False
    truncate: bool = False
    truncation_direction: Literal["right", "Right"] | None = None

    instruction: Text | None = None
    keep_alive: KeepAlive | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "RerankRequest":
        if self.documents is not None and self.texts is not None:
            raise wrong("texts", "does not go together with documents")
        if self.documents is None and self.texts is None:
            raise wrong("documents", "are missing: documents, or texts as TEI has them, are required")
        return self

    @property
    def is_tei(self) -> bool:
        return self.texts is not None

    def payload(self, *, returned: bool) -> RerankPayload:
        """`returned`: documents are part of the answer where the request does not say."""
        if self.return_documents is not None:
            returned = self.return_documents
        return RerankPayload(
            query=self.query,
            documents=self.documents or self.texts or [],
            top=self.top_n,
            texts=self.return_text if self.is_tei else returned,
            raw=self.raw_scores,
            truncate=self.truncate if self.is_tei else self.truncation,
            document_tokens=self.max_tokens_per_doc,
            instruction=self.instruction,
            keep_alive=self.keep_alive,
        )


class RankedText(TypedDict):
    text: str


class RankedDocument(TypedDict):
    """A document by its place in the request; the best one comes first."""

    index: int
    relevance_score: float
    document: NotRequired[RankedText]


class RerankUsage(TypedDict):
    prompt_tokens: int
    total_tokens: int


class RerankVersion(TypedDict):
    version: Literal["1", "2"]


class RerankUnits(TypedDict):
    """What Cohere would charge for: a hundred documents are one search."""

    search_units: int


class RerankMeta(TypedDict):
    api_version: RerankVersion
    billed_units: RerankUnits


class Reranked(TypedDict):
    """`meta` is Cohere's. `model`, `object` and `usage` are Jina's, and are left out under `/v2`."""

    id: str
    model: NotRequired[str]
    object: NotRequired[Literal["list"]]
    usage: NotRequired[RerankUsage]
    results: list[RankedDocument]
    meta: RerankMeta


class TeiRank(TypedDict):
    index: int
    score: float
    text: NotRequired[str]


#: TEI's answer is a list.
RerankAnswer = TypeAliasType("RerankAnswer", Reranked | list[TeiRank])
