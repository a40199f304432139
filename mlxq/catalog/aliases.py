"""Names that stand for a model without being one."""

from jobs.kinds import Category
from mlxq.catalog.families.family import Family
from mlxq.catalog.families.language import NAMES as LANGUAGE_NAMES
from mlxq.catalog.families.table import families

#: The model of the category's own setting.
DEFAULT = "default"

#: OpenAI's names for models of a category: they mean the category's default model.
OPENAI_NAMES: dict[Category, tuple[str, ...]] = {
    Category.EMBEDDING: ("text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"),
    Category.ASR: ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"),
    Category.TTS: ("tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15"),
    Category.IMAGE: (
        "dall-e-2",
        "dall-e-3",
        "gpt-image-1",
        "gpt-image-1-mini",
        "gpt-image-1.5",
        "chatgpt-image-latest",
    ),
}


def openai_category(name: str) -> Category | None:
    """The category of one of OpenAI's names; None for any other name."""
    return next((category for category, names in OPENAI_NAMES.items() if name in names), None)


def short_names(category: Category) -> dict[str, Family]:
    """The short names of a category's families, each with the family that knows its hub id."""
    rows = [family for family in families(Family) if family.category == category]
    return {name: family for family in rows for name in family.short_names}


def default_names(category: Category) -> dict[str, Family]:
    """Names that mean the category's default model while it is of that family."""
    rows = [family for family in families(Family) if family.category == category]
    return {family.default_name: family for family in rows if family.default_name}


def own_names() -> dict[str, Family]:
    """Families that are asked for by their own name: it means any of their models."""
    return {family.name: family for family in families(Family) if family.hub_id}


def aliases() -> dict[Category, tuple[str, ...]]:
    """Every name that may stand for a model, by category; `default` is the chat's."""
    return {
        Category.LLM: (DEFAULT, *LANGUAGE_NAMES),
        Category.EMBEDDING: OPENAI_NAMES[Category.EMBEDDING],
        **{
            category: (
                *OPENAI_NAMES[category],
                *short_names(category),
                *default_names(category),
                *(name for name, family in own_names().items() if family.category == category),
            )
            for category in (Category.ASR, Category.TTS, Category.IMAGE)
        },
    }
