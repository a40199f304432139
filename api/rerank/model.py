"""Which model ranks: the one that is named; for clients that name none, or one of a cloud, the one that is there."""

import re

from starlette.requests import Request

from api.dispatch.submission import model_of
from api.http.answers.warning import warn
from api.http.context import context_of, jobs_of
from api.models.inventory import inventory
from jobs.errors import InvalidRequest, ModelNotFound
from jobs.kinds import Category
from mlxq.catalog import ModelRef
from mlxq.catalog.aliases import DEFAULT
from mlxq.catalog.families.reranker import RERANKERS

#: Names of Cohere's and Jina's models.
_OF_A_CLOUD = re.compile(r"(rerank|jina-reranker)-[\w.-]+", re.ASCII)


async def ranking_model(request: Request, name: str) -> ModelRef:
    """Raises what `model_of` raises, and InvalidRequest for a model that does not rank."""
    if name == DEFAULT:
        return await _usual(request)
    try:
        ref = await model_of(request, name, Category.EMBEDDING)
    except ModelNotFound:
        if _OF_A_CLOUD.fullmatch(name) is None:
            raise
        ref = await _usual(request)
        warn(request, f"the model '{ref.id}' answers in place of '{name}'")
        return ref
    if ref.card is not None and ref.card.family_name != RERANKERS.name:
        raise InvalidRequest(
            f"The model '{ref.id}' does not rank documents.", param="model", code="unsupported_model"
        )
    return ref


async def _usual(request: Request) -> ModelRef:
    """One that is in memory, else the first by its name."""
    entries = await inventory(context_of(request), jobs_of(request))
    found = next((each for each in entries if each.ranks), None)
    if found is None:
        raise ModelNotFound(
            "No model that ranks documents is installed. `mlxq pull BAAI/bge-reranker-v2-m3` (2.3 GB) fetches one.",
            param="model",
        )
    return await model_of(request, found.id, Category.EMBEDDING)
