"""Which models are loaded, and the folders that hold models."""

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, field_validator

from config import early
from config.settings.group import Group
from config.settings.places import REPO, hub_cache
from config.values import Directories, Directory


class ModelSettings(Group):
    """Which models are loaded, and the folders that hold models."""

    llm_model: str = Field(
        default=str(REPO / "models" / "tiny-chat"),
        description="Chat model: hub id, local path or alias. It is loaded at start and stays.",
    )
    draft_model: str = Field(
        default="",
        description="Draft model for speculative decoding, with the vocabulary of the chat model; requests then run "
        "one at a time.",
    )
    asr_model: str = Field(
        default="",
        validation_alias=AliasChoices("ASR_MODEL", "ASR_MODEL_DIR"),
        description="Transcription model: hub id, local path or alias; loaded at start.",
    )
    tts_model: str = Field(default="", description="Speech model, loaded at start.")
    tts_ref_audio: str = Field(
        default="",
        description="Recording of the default voice, for requests without `voice`.",
    )
    tts_ref_text: str = Field(default="", description="Transcript of `TTS_REF_AUDIO`.")
    voices_dir: Directory = Field(
        default_factory=lambda data: Path(data.get("data_dir", early.DATA_DIR)) / "voices",
        description="Folder of recordings that may be given as a voice, and of `voices.json`.",
    )
    image_model: str = Field(
        default="",
        description="Image model, loaded at start; without one an installed model is the default, else the random "
        "`models/tiny-image`.",
    )
    zimage_model_dir: str = Field(
        default="",
        description="Folder of the model `zimage`, instead of the hub's Z-Image-Turbo.",
    )
    flux_model_dir: str = Field(
        default="",
        description="Folder of the models `flux` and `flux.2-klein`, instead of the hub's FLUX.2-klein.",
    )
    image_quantize: Literal[0, 4, 8] = Field(
        default=0,
        description="Bits that image models are quantised to when they are loaded; `0`: as they are.",
    )
    image_metadata: bool = Field(
        default=True,
        description="Write prompt, model, seed, steps and size into image files.",
    )
    image_on_disconnect: Literal["keep", "cancel"] = Field(
        default="keep",
        description="Whether a job for images continues when its client disconnects.",
    )
    embedding_model: str = Field(
        default="",
        description="Embedding model: hub id, local path or alias; loaded at start.",
    )
    hub_cache: Directory = Field(
        default_factory=hub_cache,
        validation_alias="HF_HUB_CACHE",
        description="Folder of downloaded models: the hub's own cache, shared with other programs.",
    )
    model_roots: Directories = Field(
        default_factory=lambda data: (REPO / "models", data.get("hub_cache") or hub_cache()),
        description="Folders, separated by `:` or `,`, that local models must be in.",
    )
    alias_file: Directory = Field(
        default_factory=lambda data: Path(data.get("data_dir", early.DATA_DIR)) / "aliases.json",
        description="File of your own names of models, with defaults of parameters.",
    )
    model_links: bool = Field(
        default=False,
        description="Whether links in the model roots may lead out of them: to folders and files on another disk.",
    )

    @field_validator("image_quantize", mode="before")
    @classmethod
    def _check_image_quantize(cls, value: object) -> int:
        if str(value).strip() not in ("0", "4", "8"):
            raise ValueError("0, 4 or 8")
        return int(str(value))
