"""Loads a model of the embedding lane: one that makes vectors, or one that ranks documents."""

from config.settings import Settings
from mlxq.catalog import ModelRef
from mlxq.catalog.families.family import Candidate
from mlxq.catalog.families.reranker import CROSS_ENCODERS, RERANKERS
from mlxq.catalog.families.table import family_of
from mlxq.catalog.model_config import config_in
from worker.engines.embedding import cross_encoder, qwen3_reranker, vectors
from worker.engines.embedding.engine import TextEngine
from worker.engines.loading import folder


def load(ref: ModelRef, settings: Settings) -> TextEngine:
    """Call it on the thread that will own the engine. Raises InvalidRequest and ModelNotFound."""
    path = folder(ref)
    config = config_in(path)
    if family_of(Candidate(ref.base_id, path, config)) is not RERANKERS:
        return TextEngine(vectors.load(ref), settings)
    if str(config.get("model_type")).replace("-", "_") in CROSS_ENCODERS:
        return TextEngine(cross_encoder.load(path, config), settings)
    return TextEngine(qwen3_reranker.load(ref), settings)
