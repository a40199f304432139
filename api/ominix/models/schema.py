"""The bodies of OminiX' resource of models: what is loaded, load, unload and download."""

from typing import Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from api.http.bodies.fields import RequestModel
from api.models.types import ModelType, WorkerName


class LoadRequest(RequestModel):
    """`model_type` is inferred from the model when it is absent.

    `worker`: the worker that loads it, by its name or that of its machine, or `all`; else the one that it fits best.
    """

    model: str
    model_type: ModelType | None = None
    background: bool | None = None
    worker: WorkerName | None = None


class UnloadRequest(RequestModel):
    """`worker`: the only one that unloads, by its name or that of its machine; else all."""

    model_type: ModelType | Literal["all"]
    background: bool | None = None
    worker: WorkerName | None = None


class DownloadRequest(RequestModel):
    repo_id: str = Field(max_length=1024)
    background: bool | None = None


class LoadedModels(TypedDict):
    """The id of the loaded model of each type; of several the one used last.

    A language model that reads images is both `llm` and `vlm`.
    """

    llm: str | None
    asr: str | None
    tts: str | None
    image: str | None
    vlm: str | None
    embedding: str | None


class LoadedStatus(TypedDict):
    """`beside`: the other loaded models of each type that has several, the one used last first."""

    status: Literal["success"]
    models: LoadedModels
    beside: NotRequired[dict[str, list[str]]]
