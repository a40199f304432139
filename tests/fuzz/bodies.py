"""Good bodies of every route, as small as the work that they ask for may be."""

import base64
import io
import struct
import zlib
from random import Random
from typing import Any

from tests.fuzz.schemas import schema

CHAT, IMAGE, EAR = "tiny-chat", "tiny-image", "tiny-whisper"
#: A good chat, whose answer is known.
GOOD_CHAT: dict[str, Any] = {
    "model": CHAT,
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "temperature": 0,
    "max_tokens": 16,
}
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 9}, "b": {"enum": ["x", "y"]}},
    "required": ["a"],
    "additionalProperties": False,
}
FUNCTION = {"name": "f", "description": "d", "parameters": SCHEMA}
TOOL = {"type": "function", "function": FUNCTION}
_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


def png(width: int = 16, height: int = 16) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x40\x80\xc0" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def wav(seconds: float = 0.3, rate: int = 16_000) -> bytes:
    data = struct.pack("<h", 99) * int(seconds * rate)
    head = struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * 2, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(data))
        + b"WAVEfmt "
        + head
        + b"data"
        + struct.pack("<I", len(data))
        + data
    )


PNG, WAV = png(), wav()
PNG64, WAV64 = base64.b64encode(PNG).decode(), base64.b64encode(WAV).decode()


def chat(rng: Random) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": CHAT,
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": rng.randrange(1, 4),
    }
    extras: tuple[dict[str, Any], ...] = (
        {"stream": True, "stream_options": {"include_usage": True}},
        {"tools": [TOOL], "tool_choice": rng.choice(("auto", "none", "required"))},
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "s", "schema": rng.choice((SCHEMA, schema(rng))), "strict": True},
            }
        },
        {
            "tools": [
                {
                    "type": "function",
                    "function": {**FUNCTION, "parameters": {**schema(rng), "type": "object"}},
                }
            ],
            "tool_choice": "required",
        },
        {"response_format": {"type": "json_object"}},
        {"logprobs": True, "top_logprobs": 2},
        {"n": 2, "seed": 3, "temperature": 1},
        {"stop": ["x", "yy"], "logit_bias": {"5": -1}, "presence_penalty": 0.5},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Hi"},
                        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG64}"}},
                    ],
                }
            ]
        },
        {
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "u"},
                {"role": "assistant", "content": None, "tool_calls": [_CALL]},
                {"role": "tool", "tool_call_id": "c1", "content": "r"},
            ]
        },
        {"min_p": 0.1, "top_k": 3, "repetition_penalty": 1.1, "xtc_probability": 0.1},
        {"background": True},
        {"reasoning_effort": "low", "enable_thinking": True, "chat_template_kwargs": {"x": 1}},
        {"keep_alive": "5m", "metadata": {"a": "b"}, "user": "u", "store": True, "service_tier": "auto"},
    )
    for extra in rng.sample(extras, rng.randrange(3)):
        body |= extra
    return body


def completion(rng: Random) -> dict[str, Any]:
    body: dict[str, Any] = {"model": CHAT, "prompt": "Hi", "max_tokens": rng.randrange(1, 4)}
    return body | rng.choice(
        (
            {},
            {"echo": True},
            {"stream": True},
            {"n": 2, "best_of": 2},
            {"prompt": ["a", "b"]},
            {"prompt": [[1, 2], [3]]},
            {"logprobs": 1},
            {"suffix": "x"},
        )
    )


def embedding(rng: Random) -> dict[str, Any]:
    return {
        "model": rng.choice((CHAT, "text-embedding-3-small", "default")),
        "input": rng.choice(("a", ["a", "b"], [1, 2])),
        "encoding_format": rng.choice(("float", "base64")),
    }


def image(rng: Random) -> dict[str, Any]:
    body: dict[str, Any] = {"model": IMAGE, "prompt": "x", "size": "32x32", "steps": 1, "seed": 1}
    return body | rng.choice(
        (
            {},
            {"n": 2},
            {"response_format": "url"},
            {"image": PNG64, "strength": 0.5},
            {"output_format": "jpeg"},
            {"stream": True, "partial_images": 1},
            {"negative_prompt": "y", "guidance": 2},
            {"background": True},
        )
    )


def edit(rng: Random) -> dict[str, Any]:
    return {"model": IMAGE, "prompt": "x", "image": rng.choice((PNG64, [PNG64])), "size": "32x32", "steps": 1}


def transcription(rng: Random) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": EAR,
        "file": rng.choice((WAV64, f"data:audio/wav;base64,{WAV64}")),
        "language": "en",
    }
    return body | rng.choice(
        (
            {},
            {"response_format": "verbose_json", "timestamp_granularities": ["word"]},
            {"response_format": "srt"},
            {"stream": True},
            {"temperature": 0.2},
        )
    )


def speech(_: Random) -> dict[str, Any]:
    return {"model": "tts-1", "input": "Hello", "voice": "alloy", "response_format": "wav", "speed": 1.0}


def generate(_: Random) -> dict[str, Any]:
    return {"prompt": "Hi", "max_tokens": 2, "temperature": 0.0}


def named_model(_: Random) -> dict[str, Any]:
    return {"model": CHAT, "model_type": "llm"}


def download(_: Random) -> dict[str, Any]:
    return {"repo_id": "org/none", "model_id": "org/none", "name": "x"}


def setting(rng: Random) -> dict[str, Any]:
    return {"value": rng.choice((True, 30, "x"))}


def priority(_: Random) -> dict[str, Any]:
    return {"priority": "high"}


def form(fields: dict[str, Any], files: dict[str, bytes], boundary: str, rng: Random) -> bytes:
    """multipart/form-data; now and then of other names, without an end, or with odd heads."""
    out = io.BytesIO()
    for name, value in fields.items():
        for each in value if isinstance(value, list) else [value]:
            head = rng.choice(
                ('name="{}"', 'name="{}"', 'name="{}[]"', "name={}", 'name="{}"; filename=""')
            ).format(name)
            text = str(each).encode("utf-8", "surrogatepass")
            out.write(
                f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode(
                    "utf-8", "surrogatepass"
                )
            )
            out.write(text + b"\r\n")
    for name, data in files.items():
        head = rng.choice(
            (
                '; filename="a"',
                '; filename="a"',
                "; filename*=UTF-8''%e2%82%ac",
                "",
                '; filename="../x"',
                '; filename="a\x00b"',
            )
        )
        out.write(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{head}\r\n\r\n'.encode())
        out.write(data + b"\r\n")
    return out.getvalue() + (f"--{boundary}--\r\n".encode() if rng.random() < 0.95 else b"")


def bent(rng: Random, data: bytes) -> bytes:
    """A file that is damaged: cut, changed inside, or of another kind."""
    draw = rng.random()
    if draw < 0.3:
        return data[: rng.randrange(len(data))]
    if draw < 0.6:
        place = rng.randrange(len(data))
        return data[:place] + rng.randbytes(8) + data[place + 8 :]
    return rng.choice(
        (
            b"",
            rng.randbytes(300),
            b"GIF89a",
            b"ID3\x04",
            b"\xff\xfb\x90\x00" * 40,
            PNG,
            WAV,
            b"OggS" + bytes(60),
        )
    )
