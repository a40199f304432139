"""Names that stand for a model without being one."""

from mlxq.catalog.category import ASR, EMBEDDING, IMAGE, LLM, TTS
from mlxq.catalog.image import ALIASES as IMAGE_ALIASES
from mlxq.catalog.tts import KOKORO

#: The model of the category's own setting.
DEFAULT = "default"

#: What OpenAI calls its embedding models: to programs that know no other name, the default embedding model.
EMBEDDINGS = ("text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002")

#: What OpenAI calls the models that speak: the default one.
SPEECH = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15")

#: What OpenAI calls the models that make pictures: the default one.
IMAGES = ("dall-e-2", "dall-e-3", "gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5", "chatgpt-image-latest")

#: What OpenAI calls its models that transcribe: the default one.
TRANSCRIPTION = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")

#: The short names of Whisper's sizes.
WHISPERS = {
    "whisper-tiny": "mlx-community/whisper-tiny",
    "whisper-base": "mlx-community/whisper-base",
    "whisper-small": "mlx-community/whisper-small",
    "whisper-medium": "mlx-community/whisper-medium",
    "whisper-large": "mlx-community/whisper-large-v3",
    "whisper-large-v2": "mlx-community/whisper-large-v2",
    "whisper-large-v3": "mlx-community/whisper-large-v3",
}

#: Families of models that transcribe: such a name means the default one if it is of that family.
RECOGNISERS = {
    "paraformer": "paraformer",
    "parakeet": "parakeet",
    "qwen3-asr": "qwen3_asr",
    "sensevoice": "sensevoice",
    "whisper": "whisper",
}

#: Model families by the name that OminiX' clients use, and the `model_type`s of config.json that belong to them.
#: Such a name means the default chat model if it is of that family.
FAMILIES: dict[str, tuple[str, ...]] = {
    "qwen": ("qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_next"),
    "qwen2": ("qwen2", "qwen2_moe"),
    "qwen3": ("qwen3", "qwen3_moe", "qwen3_next"),
    "mistral": ("mistral", "mistral3", "ministral3", "mixtral"),
    "glm": ("glm", "glm4", "glm4_moe"),
    "glm4": ("glm4", "glm4_moe"),
    "llama": ("llama", "llama4"),
    "minicpm": ("minicpm", "minicpm3", "minicpm_sala"),
}

#: Every name that may stand for a model, by the category of those who use it; `default` is the chat's.
ALIASES: dict[str, tuple[str, ...]] = {
    LLM: (DEFAULT, *FAMILIES),
    EMBEDDING: EMBEDDINGS,
    ASR: (*TRANSCRIPTION, *WHISPERS, *RECOGNISERS),
    TTS: (*SPEECH, KOKORO),
    IMAGE: (*IMAGES, *IMAGE_ALIASES),
}
