"""The image engine: one request at a time, one denoising step of one image in each step of the engine.

This module knows payloads, parameters and files. It does not know models (a file per family beside this one), jobs or
HTTP. One thread owns an engine.
"""

import logging
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import mlx.core as mx
import numpy as np
import numpy.typing as npt
from PIL import Image

from jobs.blobs import JobBlobs
from jobs.errors import InsufficientStorage, InvalidRequest, ServiceUnavailable
from jobs.models.card import Limits
from jobs.payloads import ImagePayload
from jobs.results import ImageResult, ImageTokens, ImageUsage, MadeImage
from mlxq.catalog import UnknownAdapter
from mlxq.media.formats import GRID, IMAGE_TYPES
from mlxq.media.images import TRANSPARENT
from worker.engines.base import Done, Failed, Output, Preview, Progress
from worker.engines.failures import failure_of
from worker.engines.image.diffusion import (
    DenoiseState,
    DiffusionModel,
    ImageParams,
    Pixels,
    decode,
    decode_preview,
)
from worker.engines.image.files import encode, encode_preview
from worker.engines.turns import Turns
from worker.memory import is_out_of_memory

log = logging.getLogger(__name__)

#: Strength of an edit whose request names none.
_STRENGTH = 0.75
_SEEDS = 2**32
#: Seconds of one look at a file that is being stored: others have their turns in between.
_LOOK = 0.02


@dataclass(slots=True, eq=False)
class _Task:
    """The running request. `work` yields the outputs of one step each time."""

    id: str
    payload: ImagePayload
    params: ImageParams
    seed: int
    work: Generator[list[Output], None, None] | None = None
    done: int = 0
    #: of each image: fewer than asked for where some of its source stays
    steps: int = 0
    #: tokens of reference images
    shown: int = 0
    #: number of the next preview's file; the images themselves have the first numbers
    artifact: int = 0
    #: it may stand still between any two steps
    rests: ClassVar[bool] = True


class ImageEngine:
    """A diffusion model and its requests, one of which it runs."""

    capacity = 1
    context_length: int | None = None

    def __init__(
        self,
        model: DiffusionModel,
        model_id: str,
        limits: Limits,
        blobs: JobBlobs,
        find_lora: Callable[[str], Path],
    ) -> None:
        """`find_lora` returns the file of an adapter by its name, or raises UnknownAdapter."""
        self.memory_bytes = model.memory_bytes
        self._model = model
        self._model_id = model_id
        self._limits = limits
        self._blobs = blobs
        self._find_lora = find_lora
        self._tasks = Turns[_Task]()
        #: the task whose adapters are on the model
        self._adapted: _Task | None = None

    def give_way(self, task_id: str) -> None:
        self._tasks.give_way(task_id)

    def add(self, task_id: str, payload: ImagePayload, seed: int) -> None:
        task = _Task(
            task_id, payload, self._params(payload), (seed if payload.seed is None else payload.seed) % _SEEDS
        )
        task.artifact = payload.n
        task.work = self._work(task)
        self._tasks.add(task, task.seed)

    def remove(self, task_id: str) -> None:
        task = self._tasks.remove(task_id)
        if task is not None:
            self._end(task)

    def step(self) -> list[Output]:
        return self._tasks.step(self._step)

    def _step(self, task: _Task) -> list[Output]:
        assert task.work is not None
        try:
            if task.done and self._adapted is not task:
                self._apply_loras(task)
            outputs = next(task.work)
        except Exception as error:
            self.remove(task.id)
            if is_out_of_memory(error):
                # The lane can unload other models and run the request again.
                raise
            return [Failed(task.id, failure_of(error, "an image could not be made"))]
        if outputs and isinstance(outputs[-1], Done):
            self.remove(task.id)
        return outputs

    def tidy(self) -> None:
        if not self._tasks:
            mx.clear_cache()

    def close(self) -> None:
        for task in self._tasks:
            self.remove(task.id)
        del self._model

    # -- a request -----------------------------------------------------------------------------------------------

    def _params(self, payload: ImagePayload) -> ImageParams:
        """Raises InvalidRequest for what this model can't do."""
        model, limits = self._model, self._limits
        width, height = payload.width, payload.height
        for name, value in (("width", width), ("height", height)):
            if value % GRID or not limits.shortest <= value <= limits.longest:
                raise InvalidRequest(
                    f"The {name} must be a multiple of {GRID} from {limits.shortest} to {limits.longest}, "
                    f"not {value}.",
                    param="size",
                )
        guidance = payload.guidance
        if guidance is not None and model.max_guidance is not None and guidance > model.max_guidance:
            raise InvalidRequest(
                f"The model '{self._model_id}' takes no guidance above {model.max_guidance:g}.",
                param="guidance",
            )
        sources = tuple(self._open(blob).convert("RGB") for blob in payload.images or ())
        strength, mask = payload.strength, payload.mask
        starts = mask or not model.takes_references or payload.mode == "variation"
        if sources and strength is None and starts:
            strength = 1.0 if mask else _STRENGTH
        most = limits.references if strength is None else 1
        if len(sources) > most:
            raise InvalidRequest(
                f"The model '{self._model_id}' takes {most} picture{'s' if most > 1 else ''} "
                f"{'' if strength is None else 'with a strength or a mask '}at a time, not {len(sources)}.",
                param="image",
            )
        return ImageParams(
            prompt=payload.prompt,
            width=width,
            height=height,
            steps=payload.steps or model.steps,
            guidance=float(guidance if guidance is not None and model.takes_guidance else model.guidance),
            negative_prompt=payload.negative_prompt or "",
            sources=sources,
            strength=None if strength is None or not sources else float(strength),
            editable=self._mask(mask, width, height) if mask and sources else None,
        )

    def _work(self, task: _Task) -> Generator[list[Output], None, None]:
        """Encode the prompt, then make one image after the other. It can be closed after each yield."""
        model, params, began = self._model, task.params, time.monotonic()
        images: list[MadeImage] = []
        self._apply_loras(task)
        count, tokens = task.payload.n, 0
        if params.strength == 0:
            # The result is the source itself: encoding and decoding would only lose quality.
            for number in range(count):
                images.append((yield from self._put(task, number, np.asarray(params.source))))
                yield [Progress(task.id, number + 1, count)]
        else:
            conditioning = model.encode_prompt(params)
            tokens = conditioning.tokens
            yield []
            for number in range(count):
                state = model.start(params, conditioning, self._seed(task, number))
                # Encoding a source is a step of its own.
                yield []
                steps = state.remaining
                task.steps, task.shown = steps + model.decoding_steps, state.shown
                total = count * task.steps
                for step in range(1, steps + 1):
                    state.step()
                    task.done += 1
                    yield [Progress(task.id, task.done, total)]
                    yield from self._unfinished(task, state, number, step, steps)
                pixels = yield from _silently(decode(model, state, params))
                images.append((yield from self._put(task, number, pixels)))
                task.done += model.decoding_steps
                yield [Progress(task.id, task.done, total)] if model.decoding_steps else []
        yield [Done(task.id, self._result(task, images, tokens, time.monotonic() - began))]

    def _apply_loras(self, task: _Task) -> None:
        """Use the adapters of this task and no others. Raises InvalidRequest."""
        loras = task.payload.loras or []
        self._adapted = task
        try:
            self._model.apply_loras([(str(self._find_lora(lora.name)), lora.scale) for lora in loras])
        except (UnknownAdapter, ValueError, FileNotFoundError) as error:
            log.warning("adapters that do not fit: %s", error)
            raise InvalidRequest(
                f"The LoRA adapters can't be put on the model '{self._model_id}': they are not made for it.",
                param="loras",
            ) from error

    def _unfinished(
        self, task: _Task, state: DenoiseState, number: int, step: int, steps: int
    ) -> Iterator[list[Output]]:
        """Previews and partial images of an unfinished image after one of its steps."""
        if task.payload.previews:
            pixels = decode_preview(self._model, state, task.params)
            yield from self._show(task, encode_preview(pixels), "image/jpeg", False, index=number, step=step)
        wanted = task.payload.partial_images or 0
        # Evenly over the steps, none twice, none of the last step.
        numbers = [k for k in range(wanted) if (k + 1) * steps // (wanted + 1) == step < steps]
        if numbers:
            pixels = yield from _silently(decode(self._model, state, task.params, predicted=True))
            file, kind = self._encode(task, number, pixels)
            yield from self._show(task, file, kind, True, index=number, number=numbers[-1])

    def _show(
        self, task: _Task, file: bytes, kind: str, partial: bool, **data: int
    ) -> Iterator[list[Output]]:
        """Store a file of an unfinished image; no output when it can't be stored."""
        try:
            blob = yield from self._store(file)
        except (InsufficientStorage, ServiceUnavailable) as error:
            log.warning("no preview: %s", error.message)
            return
        shown = Preview(task.id, task.artifact, blob, kind, partial, dict(data))
        task.artifact += 1
        yield [shown]

    def _store(self, file: bytes) -> Generator[list[Output], None, str]:
        """Returns the blob's id. Others have their turns while a network takes it."""
        sending = self._blobs.send(file)
        while not sending.is_stored(_LOOK):
            yield []
        return sending.id

    def _put(self, task: _Task, number: int, pixels: Pixels) -> Generator[list[Output], None, MadeImage]:
        """Store a finished image; returns its entry in the result."""
        file, kind = self._encode(task, number, pixels)
        height, width, _ = pixels.shape
        seed = self._seed(task, number)
        return MadeImage(number, (yield from self._store(file)), seed, width, height, kind)

    def _encode(self, task: _Task, number: int, pixels: Pixels) -> tuple[bytes, str]:
        params, payload = task.params, task.payload
        facts: dict[str, str | int | float] = {}
        if payload.metadata:
            facts = {
                "prompt": params.prompt,
                "model": self._model_id,
                "seed": self._seed(task, number),
                "steps": params.steps,
                "size": f"{params.width}x{params.height}",
                "guidance": params.guidance,
            }
            if params.negative_prompt and self._model.takes_negative_prompt and params.guidance > 1:
                facts["negative_prompt"] = params.negative_prompt
            if params.strength is not None:
                facts["strength"] = params.strength
        kind = payload.format
        return encode(pixels, kind, payload.compression, facts), IMAGE_TYPES[kind]

    @staticmethod
    def _result(task: _Task, images: list[MadeImage], text_tokens: int, seconds: float) -> ImageResult:
        """Image tokens are the patches of 16 x 16 pixels that the models read and write."""
        params = task.params
        patches = (params.width // 16) * (params.height // 16)
        image_tokens, output_tokens = task.shown or patches * len(params.sources), patches * len(images)
        return ImageResult(
            images=images,
            steps=task.steps,
            seconds=round(seconds, 3),
            usage=ImageUsage(
                input_tokens=text_tokens + image_tokens,
                output_tokens=output_tokens,
                total_tokens=text_tokens + image_tokens + output_tokens,
                input_tokens_details=ImageTokens(text_tokens, image_tokens),
            ),
        )

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
        return np.asarray(mask.resize((width, height), Image.Resampling.NEAREST)) < TRANSPARENT

    def _end(self, task: _Task) -> None:
        """Drop its latents."""
        self._adapted = None if self._adapted is task else self._adapted
        if task.work is not None:
            task.work.close()
            task.work = None


def _silently(work: Generator[None, None, Pixels]) -> Generator[list[Output], None, Pixels]:
    """Drives the generator without reporting progress."""
    while True:
        try:
            next(work)
        except StopIteration as ended:
            pixels: Pixels = ended.value
            return pixels
        yield []
