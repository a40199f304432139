"""From a chat with images to the inputs of a vision model: through its template and its processor.

mlx-vlm knows how a model's template marks images. The order of the images is kept.
"""

import hashlib
import logging
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
from mlx_vlm.prompt_utils import MODEL_CONFIG, apply_chat_template
from mlx_vlm.utils import prepare_inputs
from PIL import Image

from jobs.blobs import JobBlobs
from jobs.errors import InvalidRequest
from jobs.payloads import ChatPayload, LanguagePayload, Message, Tool
from mlxq.media.images import open_image, pixels
from mlxq.media.unreadable import UnreadableImage
from worker.engines.llm.prompts.prompt import Prompt, Prompts, no_images
from worker.engines.llm.prompts.traits import Refusal
from worker.engines.llm.vision.model import VisionInputs
from worker.engines.loading import LanguageModel
from worker.guard.pictures import bounded_scaling

log = logging.getLogger(__name__)

#: Names of the vision part in models.
_VISION_PARTS = ("vision_tower", "vision_model", "vision_encoder", "vision", "visual")


@dataclass(frozen=True, slots=True)
class ImagePrompt(Prompt):
    """`inputs`: the processor's arrays. `key`: the tokens, with hashes of the images in place of image tokens."""

    inputs: VisionInputs = field(kw_only=True)
    key: list[int] = field(kw_only=True)


class ImagePrompts(Prompts):
    """The prompts of one vision model."""

    def __init__(
        self, language: LanguageModel, model: Any, processor: Any, blobs: JobBlobs, max_pixels: float
    ) -> None:
        model_config = model.config
        self._processor = processor
        # mlx-vlm sets parts to None that have no weights in the checkpoint.
        self._no_vision = any(getattr(model, name, self) is None for name in _VISION_PARTS)
        self._model_type = str(model_config.model_type)
        self._config = {"model_type": self._model_type}
        self._placeholder = next(
            (
                token
                for name in ("image_token_id", "image_token_index")
                if isinstance(token := getattr(model_config, name, None), int)
            ),
            None,
        )
        self._blobs = blobs
        self._max_pixels = max_pixels
        # The template is probed here, with messages in this model's form.
        super().__init__(language)

    def is_long(self, payload: LanguagePayload) -> bool:
        return bool(_blobs(payload.messages if isinstance(payload, ChatPayload) else [])) or super().is_long(
            payload
        )

    def _chat(self, payload: ChatPayload) -> Prompt:
        blobs = _blobs(payload.messages)
        if blobs and self._no_vision:
            raise no_images()
        files = [self._blobs.read(blob) for blob in blobs]
        text = self._text(payload, len(files))
        if not files:
            tokens = self._tokens(text, "messages", add_special_tokens=self._unmarked(text))
            return self._begun(tokens, payload, text)
        self._check_beginning(text, "messages")
        try:
            images = self._images(files)
        except UnreadableImage as error:
            raise InvalidRequest(f"An image can't be used: {error}.", param="messages") from error
        inputs = self._inputs(text, images)
        ids: Any = inputs.tokens[0].tolist()
        prompt = self._begun(ids, payload, text, len(files))
        key = self._key(prompt.tokens, files)
        return ImagePrompt(prompt.tokens, prompt.state, prompt.boundaries, inputs=inputs, key=key)

    def _images(self, files: list[bytes]) -> list[Image.Image]:
        """All images of a request, with as many pixels together as one may have. Raises UnreadableImage."""
        sizes = [pixels(file, self._max_pixels) for file in files]
        share = min(1.0, self._max_pixels / sum(sizes))
        return [
            open_image(file, self._max_pixels, size * share) for file, size in zip(files, sizes, strict=True)
        ]

    def _render(self, messages: list[Message], tools: list[Tool] | None, images: int, **options: Any) -> str:
        try:
            formed = self._formed(messages, images)
            if any(isinstance(message, str) for message in formed):
                # A model without roles: the library formats its prompt.
                return str(apply_chat_template(self._processor, self._config, messages, num_images=images))
        except Exception as error:  # the library may raise any error
            raise Refusal(str(error)) from error
        return super()._render(formed, tools, images, **options)

    def _formed(self, messages: list[Message], images: int) -> list[Any]:
        """The messages with their content in the form that the model's template requires."""
        if self._model_type.lower() not in MODEL_CONFIG:
            return messages
        formed = apply_chat_template(
            self._processor, self._config, messages, num_images=images, return_messages=True
        )
        return [
            {**message, **form} if isinstance(form, dict) else form
            for message, form in zip(messages, formed, strict=True)
        ]

    def _inputs(self, text: str, images: list[Image.Image]) -> VisionInputs:
        prepare: Any = prepare_inputs
        try:
            with bounded_scaling():
                inputs = prepare(
                    self._processor,
                    images=images,
                    prompts=text,
                    image_token_index=self._placeholder,
                    add_special_tokens=self._unmarked(text),
                )
        except Exception as error:  # processors may raise any error
            log.warning("a processor refused %d images: %s", len(images), error)
            raise InvalidRequest(
                "The model can't take these images: their number or size does not fit it, or the text holds the "
                "model's own mark of an image.",
                param="messages",
            ) from error
        # Lazy arrays belong to this thread, which is not the model's.
        mx.eval([value for value in inputs.values() if isinstance(value, mx.array)])
        return VisionInputs.of(inputs)

    def _unmarked(self, text: str) -> bool:
        """Whether the tokenizer has to add the token that begins a text."""
        begin = self._tokenizer.bos_token
        return begin is None or not text.startswith(begin)

    def _key(self, tokens: list[int], files: list[bytes]) -> list[int]:
        """The tokens with negative hashes of the images. Empty: the prompt is not cached."""
        if self._placeholder is None:
            return []
        starts = {
            place
            for place, token in enumerate(tokens)
            if token == self._placeholder and (place == 0 or tokens[place - 1] != self._placeholder)
        }
        names = [_name(file) for file in files]
        if len(starts) != len(files):
            names = [_name(b"".join(files))] * len(starts)
        key, number = list(tokens), -1
        for place, token in enumerate(tokens):
            if token == self._placeholder:
                number += place in starts
                key[place] = names[number]
        return key


def _blobs(messages: list[Message]) -> list[str]:
    return [
        part["blob"]
        for message in messages
        if isinstance(message["content"], list)
        for part in message["content"]
        if part["type"] == "image"
    ]


def _name(file: bytes) -> int:
    """A negative hash of 31 bits, which is no token."""
    return -1 - int.from_bytes(hashlib.sha256(file).digest()[:4], "big") // 2
