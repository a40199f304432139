"""`/mcp` with real engines: the official client calls every tool, and one tool takes what another has made."""

import base64
import io
from collections.abc import Iterator

import anyio
import orjson
import pytest
from PIL import Image

from tests.support.asr_checkpoints import random_whisper
from tests.support.audio_samples import hum
from tests.support.checkpoints import random_qwen3
from tests.support.image_checkpoints import random_flux2
from tests.support.minilm import put_minilm
from tests.support.system import System
from tests.support.tool_client import images, links, texts, tool_client
from tests.support.tts_checkpoints import random_qwen3_tts

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A model of each category."""
    root = tmp_path_factory.mktemp("models")
    random_qwen3(root / "chat", seed=1)
    running = System(
        root,
        "chat",
        IMAGE_MODEL=random_flux2(root / "klein"),
        TTS_MODEL=random_qwen3_tts(root / "say", tokens=8),
        ASR_MODEL=random_whisper(root / "whisper"),
        EMBEDDING_MODEL=put_minilm(root),
    )
    try:
        yield running.start()
    finally:
        running.stop()


async def test_pictures(system: System) -> None:
    told: list[float] = []
    complete = anyio.Event()

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)
        if progress == total:
            complete.set()

    async with tool_client(system.url) as client:
        first = await client.call_tool(
            "generate_image", {"prompt": "A fox", "size": "32x32", "seed": 1}, progress_callback=note
        )
        assert not first.is_error, texts(first)
        with anyio.fail_after(60):
            await complete.wait()
        assert told == sorted(set(told))
        assert told[-1] >= 2
        edited = await client.call_tool(
            "edit_image", {"prompt": "A blue fox", "size": "32x32", "image": links(first)[0]}
        )
        assert not edited.is_error, texts(edited)
    for result in (first, edited):
        (image,) = images(result)
        assert Image.open(io.BytesIO(base64.b64decode(image.data))).size == (32, 32)


async def test_speech_and_its_text(system: System) -> None:
    async with tool_client(system.url) as client:
        spoken = await client.call_tool("speak", {"input": "Hello there.", "response_format": "wav"})
        assert not spoken.is_error, texts(spoken)
        (audio,) = (each for each in spoken.content if each.type == "audio")
        assert audio.mime_type == "audio/wav"
        for recording in (links(spoken)[0], base64.b64encode(hum()).decode()):
            written = await client.call_tool("transcribe", {"audio": recording})
            assert not written.is_error, texts(written)
        subtitles = await client.call_tool("transcribe", {"audio": recording, "response_format": "vtt"})
        assert texts(subtitles).startswith("WEBVTT")


async def test_vectors_models_and_the_queue(system: System) -> None:
    async with tool_client(system.url) as client:
        vectors = orjson.loads(texts(await client.call_tool("embed", {"input": ["a cat", "a dog"]})))
        direct = system.openai().embeddings.create(model="default", input=["a cat", "a dog"])
        for got, wanted in zip(vectors["embeddings"], direct.data, strict=True):
            assert got == pytest.approx(wanted.embedding, abs=1e-5)
        models = orjson.loads(texts(await client.call_tool("list_models", {"type": "image"})))["models"]
        assert [model["type"] for model in models] == ["image"]
        queues = orjson.loads(texts(await client.call_tool("queue_status", {})))["queues"]
        assert queues["image"]["waiting"] == 0
