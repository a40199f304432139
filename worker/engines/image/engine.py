"""Pictures from text and pictures: one request at a time, one step of one picture in each step of the engine.

It knows payloads, wishes and files; what is special about a model is its painter's business (a file per family beside
this one), and it knows no jobs and no HTTP. One thread owns it.
"""

import logging
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
import numpy.typing as npt
from PIL import Image

from jobs.blobs import BlobStore
from jobs.errors import EngineFailure, InsufficientStorage, InvalidRequest, MlxqError, disk_full, is_disk_full
from mlxq.catalog.image import Limits
from worker.engines.base import Done, Failed, Output, Progress, Shown
from worker.engines.image.files import CONTENT_TYPES, encode, encode_preview
from worker.engines.image.painter import Canvas, Painter, Pixels, Wish, picture, preview
from worker.memory import is_out_of_memory

log = logging.getLogger(__name__)

#: How much of a source is painted over when nobody says.
_STRENGTH = 0.75
_SEEDS = 2**32


@dataclass(slots=True, eq=False)
class _Task:
    """A request in hand. `work` goes on by one step each time it is asked."""

    id: str
    payload: dict[str, Any]
    wish: Wish
    seed: int
    work: Iterator[list[Output]] | None = None
    done: int = 0
    #: number of the next file that is shown on the way; the pictures themselves come first
    artifact: int = 0


class ImageEngine:
    """A model that paints, and the request that it has in hand."""

    capacity = 1
    context_length: int | None = None

    def __init__(self, painter: Painter, model_id: str, limits: Limits, blobs: BlobStore) -> None:
        self.memory_bytes = painter.memory_bytes
        self._painter = painter
        self._model_id = model_id
        self._limits = limits
        self._blobs = blobs
        self._task: _Task | None = None

    def add(self, task_id: str, payload: dict[str, Any], seed: int) -> None:
        task = _Task(task_id, payload, self._wish(payload), int(payload.get("seed", seed)) % _SEEDS)
        task.artifact = int(payload.get("n", 1))
        task.work = self._work(task)
        self._task = task

    def remove(self, task_id: str) -> None:
        if self._task is not None and self._task.id == task_id:
            self._end()

    def step(self) -> list[Output]:
        task = self._task
        if task is None:
            return []
        assert task.work is not None
        try:
            outputs = next(task.work)
        except Exception as error:
            self._end()
            if is_out_of_memory(error):
                # Whoever holds the other models can make room, and have the picture painted then.
                raise
            return [Failed(task.id, _failure(error))]
        if outputs and isinstance(outputs[-1], Done):
            self._end()
        return outputs

    def tidy(self) -> None:
        if self._task is None:
            mx.clear_cache()

    def close(self) -> None:
        self._end()
        del self._painter

    # -- a request -----------------------------------------------------------------------------------------------

    def _wish(self, payload: dict[str, Any]) -> Wish:
        """Raises InvalidRequest for what this model can't do."""
        painter, limits = self._painter, self._limits
        width, height = int(payload["width"]), int(payload["height"])
        for name, value in (("width", width), ("height", height)):
            if value % 16 or not limits.shortest <= value <= limits.longest:
                raise InvalidRequest(
                    f"The {name} must be a multiple of 16 from {limits.shortest} to {limits.longest}, "
                    f"not {value}.",
                    param="size",
                )
        guidance = payload.get("guidance")
        if guidance is not None and painter.most_guidance is not None and guidance > painter.most_guidance:
            raise InvalidRequest(
                f"The model '{self._model_id}' takes no guidance above {painter.most_guidance:g}.",
                param="guidance",
            )
        sources = tuple(self._open(blob).convert("RGB") for blob in payload.get("images") or [])
        strength, mask = payload.get("strength"), payload.get("mask")
        if sources and strength is None and (mask or not painter.sees or payload.get("mode") == "variation"):
            strength = 1.0 if mask else _STRENGTH
        most = limits.references if strength is None else 1
        if len(sources) > most:
            raise InvalidRequest(
                f"The model '{self._model_id}' takes {most} picture{'s' if most > 1 else ''} "
                f"{'' if strength is None else 'with a strength or a mask '}at a time, not {len(sources)}.",
                param="image",
            )
        return Wish(
            prompt=payload["prompt"],
            width=width,
            height=height,
            steps=int(payload.get("steps") or painter.steps),
            guidance=float(guidance if guidance is not None and painter.guided else painter.guidance),
            negative_prompt=payload.get("negative_prompt") or "",
            sources=sources,
            strength=None if strength is None or not sources else float(strength),
            change=self._mask(mask, width, height) if mask and sources else None,
        )

    def _work(self, task: _Task) -> Iterator[list[Output]]:
        """Read the prompt, then paint one picture after the other. It can be left after each yield."""
        painter, wish, began = self._painter, task.wish, time.monotonic()
        images: list[dict[str, Any]] = []
        self._wear(task.payload.get("loras") or [])
        count, tokens = int(task.payload.get("n", 1)), 0
        if wish.strength == 0:
            # Nothing is painted over: the source, without what the model would lose of it.
            for number in range(count):
                images.append(self._put(task, number, np.asarray(wish.source)))
                yield [Progress(task.id, number + 1, count)]
        else:
            words = painter.read(wish)
            tokens = words.tokens
            yield []
            for number in range(count):
                canvas = painter.begin(wish, words, self._seed(task, number))
                # Encoding a source is a step of its own.
                yield []
                steps = canvas.left
                total = count * (steps + painter.decoding_steps)
                for step in range(1, steps + 1):
                    canvas.step()
                    task.done += 1
                    yield [Progress(task.id, task.done, total)]
                    yield from self._shown(task, canvas, number, step, steps)
                pixels = yield from _unseen(picture(painter, canvas, wish))
                images.append(self._put(task, number, pixels))
                task.done += painter.decoding_steps
                yield [Progress(task.id, task.done, total)] if painter.decoding_steps else []
        yield [Done(task.id, self._result(task, images, tokens, time.monotonic() - began))]

    def _wear(self, loras: list[dict[str, Any]]) -> None:
        """Paint with these adapters and no others. Raises InvalidRequest."""
        try:
            self._painter.wear([(lora["path"], float(lora["scale"])) for lora in loras])
        except (ValueError, FileNotFoundError) as error:
            log.warning("adapters that do not fit: %s", error)
            raise InvalidRequest(
                f"The LoRA adapters can't be put on the model '{self._model_id}': they are not made for it.",
                param="loras",
            ) from error

    def _shown(
        self, task: _Task, canvas: Canvas, number: int, step: int, steps: int
    ) -> Iterator[list[Output]]:
        """What those who watch get to see of a picture after a step of it; of the last one they get the picture."""
        if task.payload.get("previews"):
            pixels = preview(self._painter, canvas, task.wish)
            yield self._show(task, encode_preview(pixels), "image/jpeg", False, index=number, step=step)
        wanted = int(task.payload.get("partial_images") or 0)
        # Evenly over the steps, none twice, none of the last step.
        numbers = [k for k in range(wanted) if (k + 1) * steps // (wanted + 1) == step < steps]
        if numbers:
            pixels = yield from _unseen(picture(self._painter, canvas, task.wish, foreseen=True))
            file, kind = self._encode(task, number, pixels)
            yield self._show(task, file, kind, True, index=number, number=numbers[-1])

    def _show(self, task: _Task, file: bytes, kind: str, partial: bool, **data: int) -> list[Output]:
        """A file that shows how far the picture is; none where the disk has no room for it."""
        try:
            blob = self._blobs.put(file)
        except InsufficientStorage as error:
            log.warning("no preview: %s", error.message)
            return []
        shown = Shown(task.id, task.artifact, blob, kind, partial, dict(data))
        task.artifact += 1
        return [shown]

    def _put(self, task: _Task, number: int, pixels: Pixels) -> dict[str, Any]:
        """Keep a finished picture; returns what the result says of it."""
        file, kind = self._encode(task, number, pixels)
        height, width, _ = pixels.shape
        return {
            "artifact": number,
            "blob": self._blobs.put(file),
            "seed": self._seed(task, number),
            "width": width,
            "height": height,
            "content_type": kind,
        }

    def _encode(self, task: _Task, number: int, pixels: Pixels) -> tuple[bytes, str]:
        wish, payload = task.wish, task.payload
        facts: dict[str, str | int | float] = {}
        if payload.get("metadata"):
            facts = {
                "prompt": wish.prompt,
                "model": self._model_id,
                "seed": self._seed(task, number),
                "steps": wish.steps,
                "size": f"{wish.width}x{wish.height}",
                "guidance": wish.guidance,
            }
            if wish.negative_prompt and self._painter.negatives and wish.guidance > 1:
                facts["negative_prompt"] = wish.negative_prompt
            if wish.strength is not None:
                facts["strength"] = wish.strength
        kind = payload.get("format", "png")
        return encode(pixels, kind, payload.get("compression"), facts), CONTENT_TYPES[kind]

    @staticmethod
    def _result(task: _Task, images: list[dict[str, Any]], words: int, seconds: float) -> dict[str, Any]:
        """Tokens of pictures are the patches that the models read and write: 16 x 16 pixels each."""
        wish = task.wish
        patches = (wish.width // 16) * (wish.height // 16)
        seen, painted = patches * len(wish.sources), patches * len(images)
        return {
            "images": images,
            "steps": wish.steps,
            "seconds": round(seconds, 3),
            "usage": {
                "input_tokens": words + seen,
                "input_tokens_details": {"text_tokens": words, "image_tokens": seen},
                "output_tokens": painted,
                "total_tokens": words + seen + painted,
            },
        }

    @staticmethod
    def _seed(task: _Task, number: int) -> int:
        return (task.seed + number) % _SEEDS

    def _open(self, blob: str) -> Image.Image:
        with self._blobs.open(blob) as file:
            image = Image.open(file)
            image.load()
        return image

    def _mask(self, blob: str, width: int, height: int) -> npt.NDArray[np.bool_]:
        """True where the mask is transparent."""
        mask = self._open(blob).convert("RGBA").getchannel("A")
        return np.asarray(mask.resize((width, height), Image.Resampling.NEAREST)) < 128

    def _end(self) -> None:
        """Forget the task and what is on its canvas."""
        task, self._task = self._task, None
        if task is not None and task.work is not None:
            task.work.close()  # type: ignore[attr-defined]
            task.work = None


def _unseen(work: Generator[None, None, Pixels]) -> Generator[list[Output], None, Pixels]:
    """Steps of the engine that nobody is told of."""
    while True:
        try:
            next(work)
        except StopIteration as ended:
            pixels: Pixels = ended.value
            return pixels
        yield []


def _failure(error: Exception) -> MlxqError:
    if isinstance(error, MlxqError):
        return error
    if is_disk_full(error):
        return disk_full()
    log.error("a picture could not be painted", exc_info=error)
    return EngineFailure(f"The model failed on this request ({type(error).__name__}).")
