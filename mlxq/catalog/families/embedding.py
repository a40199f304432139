"""Encoders, and language models that were made into embedding models."""

from jobs.kinds import Category
from mlxq.catalog.families.family import Candidate, Family

#: `model_type`s that read a whole text at once and cannot continue it.
_ENCODERS = frozenset(
    {
        "albert",
        "bert",
        "distilbert",
        "electra",
        "llama_bidirec",
        "modernbert",
        "mpnet",
        "nomic_bert",
        "roberta",
        "xlm_roberta",
    }
)
#: `model_type`s of chat models that embedding models are made of. Without its head such a model cannot chat.
_BOTH = frozenset({"gemma3_text", "lfm2", "llama", "mistral", "qwen2", "qwen3"})
#: What sentence-transformers puts beside the weights of an embedding model.
_SENTENCE_TRANSFORMERS = ("config_sentence_transformers.json", "modules.json", "1_Pooling/config.json")


class Embedding(Family):
    """Where config.json could be a chat model's, the files beside it decide, and last the model's name."""

    def matches_config(self, candidate: Candidate) -> bool:
        if candidate.model_type in self.types:
            return True
        if candidate.model_type not in _BOTH:
            return False
        architectures = candidate.config.get("architectures")
        names = [str(name) for name in architectures] if isinstance(architectures, list) else []
        if names and all(name.endswith("Model") for name in names):
            return True
        if any((candidate.path / name).exists() for name in _SENTENCE_TRANSFORMERS):
            return True
        return "embed" in candidate.model_id.rpartition("/")[2].lower()


EMBEDDINGS = Embedding(name="embedding", category=Category.EMBEDDING, types=_ENCODERS)
