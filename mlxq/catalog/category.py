"""Which slot a model belongs to: `llm`, `embedding`, `asr`, `tts` or `image`, by its config.json.

A few architectures serve as both: then what lies beside config.json decides, and last the model's name. Whether a
language model also sees is not known here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlxq.catalog.asr import recogniser_family
from mlxq.catalog.image import TYPES as IMAGE_TYPES
from mlxq.catalog.tts import speech_type

LLM, EMBEDDING, ASR, TTS, IMAGE = "llm", "embedding", "asr", "tts", "image"

#: `model_type`s that read a whole text at once and can't go on with it.
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
#: `model_type`s of chat models that embedding models are made of. Without its head such a model can't chat.
_BOTH = frozenset({"gemma3_text", "lfm2", "llama", "mistral", "qwen2", "qwen3"})
#: What sentence-transformers puts beside the weights of an embedding model.
_SENTENCE_TRANSFORMERS = ("config_sentence_transformers.json", "modules.json", "1_Pooling/config.json")


def category_of(config: Mapping[str, Any], path: Path, model_id: str) -> str:
    """The category of the model in this folder, whose config.json holds `config`."""
    if config.get("model_type") in IMAGE_TYPES:
        return IMAGE
    if recogniser_family(config, path) is not None:
        return ASR
    if speech_type(config, model_id) is not None:
        return TTS
    model_type = str(config.get("model_type", "")).replace("-", "_")
    if model_type in _ENCODERS:
        return EMBEDDING
    if model_type not in _BOTH:
        return LLM
    architectures = config.get("architectures")
    names = [str(name) for name in architectures] if isinstance(architectures, list) else []
    if names and all(name.endswith("Model") for name in names):
        return EMBEDDING
    if any((path / name).exists() for name in _SENTENCE_TRANSFORMERS):
        return EMBEDDING
    return EMBEDDING if "embed" in model_id.rpartition("/")[2].lower() else LLM
