"""Makes the card of a model from its folder: all that the API asks of it, within bounds.

It reads names of files, small JSON files and the headers of weights; it does not know who reads the card.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs.models.card import Fault, Kept, ModelCard, Place
from mlxq.catalog import foreign_json
from mlxq.catalog.context import context_length
from mlxq.catalog.families.image import ImageFamily
from mlxq.catalog.families.table import family_by_files, speech_options, speech_voices
from mlxq.catalog.families.transcription import TranscriptionFamily
from mlxq.catalog.installed import Installed
from mlxq.catalog.sampling import usual_sampling
from mlxq.catalog.size import model_size
from mlxq.catalog.templates import chat_templates, has_no_tools, speaks_of_thoughts
from mlxq.catalog.vision import sees

#: What is told of a model's config.json, and bytes of each value. A quantisation may name each layer.
_METADATA, _LONGEST_VALUE = ("architectures", "model_type", "quantization", "torch_dtype"), 4096
#: Bytes of all names of voices, and characters of the reason of a fault.
_LONGEST_VOICES, _LONGEST_REASON = 4096, 1024


@dataclass(frozen=True, slots=True)
class Location:
    """Where a model lies, as its card says it."""

    place: Place
    root: int = 0
    fetched: bool = False
    forgotten: bool = False


def card_of(model: Installed, location: Location, kept: Kept) -> ModelCard:
    """The card of the model in a folder that was read. `kept`: why its files are not deleted."""
    size, config = model_size(model.path), model.config
    image = family_by_files(model.path)
    image = image if isinstance(image, ImageFamily) else None
    templates = chat_templates(model.path)
    temperature, top_p = usual_sampling(model.path)
    return ModelCard(
        id=model.id,
        category=model.category,
        family_name=model.family_name,
        model_type=model.model_type,
        folder=text_of(model.path.resolve()),
        place=location.place,
        root=location.root,
        cached=model.cached,
        fetched=location.fetched,
        forgotten=location.forgotten,
        kept=kept,
        fault=Fault(model.fault.code, model.fault.reason[:_LONGEST_REASON]) if model.fault else None,
        created=model.created,
        disk_bytes=size.disk_bytes,
        weight_bytes=size.weight_bytes,
        context_length=context_length(config),
        temperature=temperature,
        top_p=top_p,
        sees=sees(model.id, config),
        toolless=has_no_tools(templates),
        thinks=speaks_of_thoughts(templates),
        voices=tuple(_bounded(speech_voices(model.path, model.id))),
        options=_options(model),
        limits=image.limits if image else None,
        guidance=image.guidance(model.path) if image else None,
        serves=model.serves,
        preferred=model.preferred,
        metadata={key: value for key in _METADATA if (value := _short(config.get(key))) is not None},
    )


def _options(model: Installed) -> tuple[str, ...] | None:
    family = model.family
    if isinstance(family, TranscriptionFamily):
        return tuple(sorted(family.options))
    known = speech_options(model.path, model.id)
    return None if known is None else tuple(sorted(known))


def text_of(path: Path) -> str:
    """A path as a card has it: names need not be UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _bounded(voices: tuple[str, ...]) -> Iterator[str]:
    room = _LONGEST_VOICES
    for voice in voices:
        room -= len(voice.encode()) + 3
        if room < 0:
            return
        yield voice


def _short(value: object) -> object:
    """The value, of a long object what is no object itself, or None."""
    if len(foreign_json.write(value)) <= _LONGEST_VALUE:
        return value
    if not isinstance(value, dict):
        return None
    return _short({key: part for key, part in value.items() if isinstance(part, int | float)}) or None
