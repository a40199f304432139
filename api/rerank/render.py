"""What rerankers answer, in the shape that the request has."""

from typing import Literal, cast

from api.dispatch.renderers import Answered
from api.rerank.schema import RankedDocument, Reranked, TeiRank
from jobs.meta import Meta
from jobs.results import Rank, RerankResult

#: Documents of one of Cohere's search units.
_UNIT = 100


class RerankNote(Meta, frozen=True, kw_only=True):
    """`documents`: their number."""

    shape: Literal["v1", "v2", "tei"] = "v1"
    documents: int = 0


def ranked(job: Answered[RerankNote, RerankResult]) -> Reranked | list[TeiRank]:
    meta, result = job.meta, job.result
    if meta.shape == "tei":
        return [_tei(rank) for rank in result.ranks]
    answer: Reranked = {
        "id": job.job_id,
        "results": [_document(rank) for rank in result.ranks],
        "meta": {
            "api_version": {"version": "2" if meta.shape == "v2" else "1"},
            "billed_units": {"search_units": -(-meta.documents // _UNIT)},
        },
    }
    if meta.shape == "v1":
        tokens = result.usage.prompt_tokens
        answer["model"] = cast(str, meta.model)
        answer["object"] = "list"
        answer["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return answer


def _document(rank: Rank) -> RankedDocument:
    row: RankedDocument = {"index": rank.index, "relevance_score": rank.score}
    if rank.text is not None:
        row["document"] = {"text": rank.text}
    return row


def _tei(rank: Rank) -> TeiRank:
    row: TeiRank = {"index": rank.index, "score": rank.score}
    if rank.text is not None:
        row["text"] = rank.text
    return row
