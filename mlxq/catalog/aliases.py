"""Names of mlxq's own that stand for a model without being one. Those of users are elsewhere."""

from jobs.kinds import Category
from mlxq.catalog.families.family import Family
from mlxq.catalog.families.language import NAMES as LANGUAGE_NAMES
from mlxq.catalog.families.table import families
from mlxq.catalog.service_names import LISTED

#: The model of the category's own setting.
DEFAULT = "default"


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
    rows = families(Family)
    named = {family.name: family for family in rows if family.hub_id}
    return named | {name: family for family in rows for name in family.own_names}


def aliases() -> dict[Category, tuple[str, ...]]:
    """The names that lists of aliases have, by category; `default` is the chat's."""
    return {
        Category.LLM: (DEFAULT, *LANGUAGE_NAMES),
        Category.EMBEDDING: LISTED[Category.EMBEDDING],
        **{
            category: (
                *LISTED[category],
                *short_names(category),
                *default_names(category),
                *(name for name, family in own_names().items() if family.category == category),
            )
            for category in (Category.ASR, Category.TTS, Category.IMAGE)
        },
    }
