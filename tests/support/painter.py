"""A scripted worker's pictures, requests for pictures, and files that are sent with them."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import httpx

from jobs.blobs import BlobStore
from tests.support.events import EventType
from tests.support.images import encoded, picture
from tests.support.scripted_worker import Run, ScriptedWorker

PNG = encoded(picture(1, 64, 48))
USAGE = {"input_tokens": 5, "output_tokens": 40}


def made(number: int) -> bytes:
    return encoded(picture(10 + number, 32, 16))


def finish(run: Run, blobs: BlobStore) -> None:
    payload = run.payload
    images = [
        {
            "artifact": 100 + number,
            "blob": blobs.put(made(number)),
            "seed": (payload["seed"] + number) % 2**32,
            "width": payload["width"],
            "height": payload["height"],
            "content_type": f"image/{payload['format']}",
        }
        for number in range(payload["n"])
    ]
    run.end(result={"images": images, "usage": USAGE})


def show(run: Run, blobs: BlobStore, kind: EventType, artifact: int, data: bytes, **more: Any) -> None:
    run.emit(kind, artifact=artifact, blob=blobs.put(data), content_type="image/jpeg", index=0, **more)


def paint(http: httpx.Client, **fields: Any) -> httpx.Response:
    return http.post("/v1/images/generations", json={"prompt": "A fox", **fields})


def told(painter: ScriptedWorker, answer: httpx.Response) -> dict[str, Any]:
    """What the engine was told of the last request."""
    assert answer.status_code == 200, answer.text
    return dict(painter.runs[-1].payload)


def bomb(side: int = 50_000) -> bytes:
    """A PNG file of some hundred bytes that says it has 2.5 billion pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def mask(width: int = 64, height: int = 48) -> bytes:
    """Its left half is to be changed."""
    image = picture(1, width, height).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, width // 2, height))
    return encoded(image)


def put_painters(root: Path) -> None:
    for name, pipeline in (("paints", "ZImagePipeline"), ("klein", "Flux2KleinPipeline")):
        (root / name / "transformer").mkdir(parents=True)
        (root / name / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
