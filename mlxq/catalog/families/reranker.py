"""Models that rank documents: cross-encoders, and language models that were made into rerankers."""

from jobs.kinds import Category
from mlxq.catalog.families.family import Candidate, Family

#: `model_type`s of encoders that an engine has a head for.
CROSS_ENCODERS = frozenset({"bert", "modernbert", "xlm_roberta"})
#: `model_type`s of language models that answer yes or no. Their config.json is a chat model's: the name decides.
_LANGUAGE = frozenset({"qwen3"})


class Reranker(Family):
    """A classifier of one class gives a pair of texts a number; those of several classes are something else."""

    def matches_config(self, candidate: Candidate) -> bool:
        architectures = candidate.config.get("architectures")
        names = [str(name) for name in architectures] if isinstance(architectures, list) else []
        if candidate.model_type in CROSS_ENCODERS:
            classifies = any(name.endswith("ForSequenceClassification") for name in names)
            return classifies and _classes(candidate) == 1
        is_called_so = "rerank" in candidate.model_id.rpartition("/")[2].lower()
        return candidate.model_type in _LANGUAGE and is_called_so and "Qwen3ForCausalLM" in names


def _classes(candidate: Candidate) -> int:
    """How many there are; transformers' default is two."""
    labels, number = candidate.config.get("id2label"), candidate.config.get("num_labels")
    if isinstance(labels, dict):
        return len(labels)
    return number if isinstance(number, int) else 2


RERANKERS = Reranker(name="reranker", category=Category.EMBEDDING, serves=False)
