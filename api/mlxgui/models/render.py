"""MLX-GUI's answer about one model's health."""

from api.mlxgui.models.schema import ModelHealth
from api.models.entry import ModelEntry
from api.models.row import model_name, model_state, moment


def model_health(entry: ModelEntry) -> ModelHealth:
    return {
        "model": model_name(entry),
        "status": model_state(entry),
        "healthy": entry.loaded,
        "last_used": moment(entry.record.last_used),
    }
