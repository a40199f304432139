"""`POST /tokenize`, `/detokenize` and `/apply-template`: no jobs, and no model in memory."""

from fastapi import APIRouter, Request, Response

from api.dispatch.counting import plain_chat
from api.dispatch.resource import Resource
from api.dispatch.submission import model_of
from api.dispatch.tokenizers import ask_tokenizer
from api.http.answers.json_response import json_response
from api.http.bodies.body import read_body
from api.http.openapi import gives, takes
from api.llamacpp.dialect import LLAMACPP
from api.llamacpp.prompts.schema import (
    AppliedTemplate,
    ApplyTemplateRequest,
    Detokenized,
    DetokenizeRequest,
    Tokenized,
    TokenizeRequest,
    TokenPiece,
)
from jobs.questions import Detokenize, Render, Text, Tokenize, Tokens

router = APIRouter(tags=["llamacpp"])


@router.post(
    "/tokenize",
    summary="The tokens of a text",
    response_class=Response,
    openapi_extra=takes(TokenizeRequest) | gives(Tokenized),
)
async def tokenize(request: Request) -> Response:
    body = await read_body(request, TokenizeRequest)
    wanted = body.value
    ref = await model_of(request, wanted.model)
    asked = Tokenize(wanted.content, wanted.add_special, wanted.parse_special, wanted.with_pieces)
    found = await ask_tokenizer(request, ref, asked, Tokens)
    answer: Tokenized = {"tokens": found.tokens}
    if wanted.with_pieces:
        pairs = zip(found.tokens, found.pieces, strict=True)
        spelled: list[TokenPiece] = [{"id": token, "piece": piece} for token, piece in pairs]
        answer = {"tokens": spelled}
    return json_response(answer, headers=body.headers)


@router.post(
    "/detokenize",
    summary="The text of tokens",
    response_class=Response,
    openapi_extra=takes(DetokenizeRequest) | gives(Detokenized),
)
async def detokenize(request: Request) -> Response:
    body = await read_body(request, DetokenizeRequest)
    ref = await model_of(request, body.value.model)
    found = await ask_tokenizer(request, ref, Detokenize(body.value.tokens), Text)
    answer: Detokenized = {"content": found.text}
    return json_response(answer, headers=body.headers)


@router.post(
    "/apply-template",
    summary="The prompt of a chat",
    response_class=Response,
    openapi_extra=takes(ApplyTemplateRequest) | gives(AppliedTemplate),
)
async def apply_template(request: Request) -> Response:
    """By the model's own template. Images are left out."""
    body = await read_body(request, ApplyTemplateRequest)
    ref = await model_of(request, body.value.model)
    payload = plain_chat(ref, await body.work(body.value.payload))
    found = await ask_tokenizer(request, ref, Render(payload), Text)
    answer: AppliedTemplate = {"prompt": found.text}
    return json_response(answer, headers=body.headers)


RESOURCE = Resource(LLAMACPP, routers=(router,))
