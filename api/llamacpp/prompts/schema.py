"""Requests and answers of `/tokenize`, `/detokenize` and `/apply-template`."""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from api.http.bodies.fields import MAX_COUNT, RequestModel, wrong
from api.llamacpp.dialect import USUAL_MODEL, ModelName
from api.openai.chat.schema import HARMLESS, ChatRequest

#: Characters of a text, of one whose pieces are wanted, and tokens: their answers pass through Redis.
MOST_CHARACTERS, MOST_IN_PIECES, MOST_TOKENS = 250_000, 50_000, 250_000

Token = Annotated[int, Field(ge=0, le=MAX_COUNT)]


class TokenizeRequest(RequestModel):
    model: ModelName = USUAL_MODEL
    content: Annotated[str, Field(max_length=MOST_CHARACTERS)]
    add_special: bool = False
    parse_special: bool = True
    with_pieces: bool = False

    @model_validator(mode="after")
    def _not_too_long_for_pieces(self) -> "TokenizeRequest":
        if self.with_pieces and len(self.content) > MOST_IN_PIECES:
            raise wrong("content", f"should have at most {MOST_IN_PIECES} characters where pieces are wanted")
        return self


class DetokenizeRequest(RequestModel):
    model: ModelName = USUAL_MODEL
    tokens: Annotated[list[Token], Field(max_length=MOST_TOKENS)]


class ApplyTemplateRequest(ChatRequest):
    """A chat whose prompt is to be shown."""

    harmless: ClassVar[frozenset[str]] = HARMLESS

    model: ModelName = USUAL_MODEL


class TokenPiece(TypedDict):
    """`piece`: a text, or the bytes of what is no whole character."""

    id: int
    piece: str | list[int]


class Tokenized(TypedDict):
    tokens: list[int] | list[TokenPiece]


class Detokenized(TypedDict):
    content: str


class AppliedTemplate(TypedDict):
    prompt: str
