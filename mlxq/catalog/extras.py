"""The error for a family's library that an extra of mlxq brings and this installation does not have."""

from jobs.errors import NotSupported
from mlxq.catalog.families.family import Family
from mlxq.catalog.families.table import families


def lacking(error: ModuleNotFoundError) -> NotSupported | None:
    """The error for the client, which names the extra; None where it is no extra that is missing."""
    library = (error.name or "").partition(".")[0]
    extra = next((family.extras[library] for family in families(Family) if library in family.extras), None)
    if extra is None:
        return None
    return NotSupported(
        f"This model needs the library '{library}', which is an extra of this server: "
        f"`pip install 'mlxq[{extra}]'` brings it.",
        param="model",
    )
