"""Language models, with and without vision: whatever no other family claims. mlx-lm and mlx-vlm know their types.

`mlxq.catalog.vision` says whether one reads images, `mlxq.catalog.context` how long its prompts may be.
"""

from jobs.kinds import Category
from mlxq.catalog.families.family import Candidate, Family

#: Names of families that OminiX' clients use, and the `model_type`s of config.json that belong to them. Such a name
#: means the default chat model while that is of the family.
NAMES: dict[str, tuple[str, ...]] = {
    "qwen": ("qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "qwen3_next"),
    "qwen2": ("qwen2", "qwen2_moe"),
    "qwen3": ("qwen3", "qwen3_moe", "qwen3_next"),
    "mistral": ("mistral", "mistral3", "ministral3", "mixtral"),
    "glm": ("glm", "glm4", "glm4_moe"),
    "glm4": ("glm4", "glm4_moe"),
    "llama": ("llama", "llama4"),
    "minicpm": ("minicpm", "minicpm3", "minicpm_sala"),
}


class Language(Family):
    def matches_config(self, candidate: Candidate) -> bool:
        return True


LANGUAGE_MODELS = Language(name="language", category=Category.LLM)
