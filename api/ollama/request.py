"""What Ollama's requests of work have in common."""

from api.http.bodies.fields import KeepAlive
from api.http.job_options.service_class import Ranked


class ModelRequest(Ranked):
    model: str
    keep_alive: KeepAlive | None = None
