"""What a client is told of a wrong field: which one it is, and a sentence without a library's own words."""

from typing import Any

import httpx
import pytest

from tests.api.requests import TIME, chat
from tests.api.test_bad_input import check
from tests.support.scripted_worker import ScriptedWorker

CHAT, SPEECH = "/v1/chat/completions", "/v1/audio/speech"
SOUND, IMAGES, EDITS = "/v1/audio/transcriptions", "/v1/images/generations", "/v1/images/edits"
LATER = {"prefer": "respond-async"}

WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    (
        CHAT,
        chat(tools=[TIME], tool_choice="now"),
        "tool_choice",
        "Invalid 'tool_choice': must be 'none', 'auto', 'required', "
        '{"type": "function", "function": {"name": …}} or OpenAI\'s allowed_tools.',
    ),
    (CHAT, chat(temperature="hot"), "temperature", "Invalid 'temperature': should be a valid number."),
    (CHAT, chat(stop=[1]), "stop[0]", "Invalid 'stop[0]': should be a valid string."),
    (CHAT, {"model": "tiny"}, "messages", "Missing required parameter: 'messages'."),
    (CHAT, {"model": "tiny", "messages": None}, "messages", "Missing required parameter: 'messages'."),
    (
        CHAT,
        chat(stream_options={"include_usage": 1}),
        "stream_options.include_usage",
        "Invalid 'stream_options.include_usage': should be a valid boolean.",
    ),
    (SPEECH, {"input": " "}, "input", "Invalid 'input': it is empty."),
    (
        SPEECH,
        {"input": "Hi.", "voice": 5},
        "voice",
        "Invalid 'voice': it must be the name of a voice, or an object with its 'id'.",
    ),
    (
        SOUND,
        {"file": "UklGRg==", "word_timestamps": True},
        "response_format",
        "Invalid 'response_format': must be 'verbose_json' where timestamps of words or segments are wanted.",
    ),
    (
        SOUND,
        {"file": "UklGRg==", "stream": True, "response_format": "srt"},
        "stream",
        "Invalid 'stream': the response_format 'srt' can't be streamed.",
    ),
    (
        IMAGES,
        {"prompt": "x", "image": 5},
        "image",
        "Invalid 'image': should be a valid string or a valid list.",
    ),
    (
        IMAGES,
        {"prompt": "x", "size": "big"},
        "size",
        "Invalid 'size': it must look like '1024x1024', or be 'auto'.",
    ),
    (
        EDITS,
        {"prompt": "x", "images": [{"url": "x"}]},
        "images[0].image_url",
        "Missing required parameter: 'images[0].image_url'.",
    ),
    (
        EDITS,
        {"prompt": "x", "mask": 5},
        "mask",
        "Invalid 'mask': should be an object or a valid string.",
    ),
    (
        "/v1/models/unload",
        {"model_type": "tv"},
        "model_type",
        "Invalid 'model_type': should be 'llm', 'asr', 'tts', 'image', 'vlm' or 'embedding' or 'all'.",
    ),
    ("/v1/embeddings", {"model": "tiny", "input": []}, "input", "Invalid 'input': it is empty."),
]


@pytest.mark.parametrize(
    ("path", "body", "param", "message"), WRONG, ids=[f"{p}-{f}" for p, _, f, _ in WRONG]
)
def test_the_field_is_named_in_plain_words(
    http: httpx.Client, path: str, body: dict[str, Any], param: str, message: str
) -> None:
    error = check(http.post(path, json=body))
    assert (error["param"], error["message"]) == (param, message)


NULLS: list[tuple[str, dict[str, Any]]] = [
    (
        CHAT,
        {
            **chat(),
            **dict.fromkeys(
                ("temperature", "max_tokens", "tools", "tool_choice", "stop", "n", "seed", "response_format")
            ),
            **dict.fromkeys(
                ("logit_bias", "stream_options", "functions", "function_call", "modalities", "audio")
            ),
        },
    ),
    (
        CHAT,
        {
            "model": "tiny",
            "messages": [
                {"role": "user", "content": "Hi.", "name": None, "tool_calls": None, "tool_call_id": None}
            ],
            "stream_options": {"include_usage": None},
        },
    ),
    (
        CHAT,
        chat(
            tools=[
                {
                    "type": "function",
                    "function": {"name": "f", "description": None, "parameters": None, "strict": None},
                }
            ]
        ),
    ),
    (
        SPEECH,
        {
            "input": "Hi.",
            **dict.fromkeys(("model", "voice", "response_format", "speed", "stream_format", "instructions")),
        },
    ),
    (
        IMAGES,
        {
            "prompt": "A fox",
            **dict.fromkeys(
                ("model", "n", "size", "quality", "background", "loras", "image", "response_format")
            ),
        },
    ),
    (
        "/v1/completions",
        {"model": "tiny", "prompt": "Hi.", **dict.fromkeys(("suffix", "echo", "best_of", "stop"))},
    ),
]


@pytest.mark.parametrize(("path", "body"), NULLS, ids=[path for path, _ in NULLS])
def test_null_means_left_out(http: httpx.Client, path: str, body: dict[str, Any]) -> None:
    """The same as the request without it, in whatever it comes to where its models are not there."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: without(each) for name, each in value.items() if each is not None}
        return [without(each) for each in value] if isinstance(value, list) else value

    said, plain = (http.post(path, json=each, headers=LATER) for each in (body, without(body)))
    assert said.status_code == plain.status_code != 400, said.text
    assert said.headers.get("warning") == plain.headers.get("warning")
    if said.status_code != 202:
        assert said.json() == plain.json()


def test_a_null_that_is_wanted_is_kept(http: httpx.Client, worker: ScriptedWorker) -> None:
    """What belongs to a schema or a template is the client's own."""
    schema = {"type": "object", "properties": {"a": {"enum": ["x", None]}, "b": {"default": None}}}
    body = chat(
        tools=[{"type": "function", "function": {"name": "f", "parameters": schema}}],
        chat_template_kwargs={"custom": None},
    )
    assert http.post(CHAT, json=body).status_code == 200
    payload = worker.runs[-1].payload
    assert payload["tools"][0]["function"]["parameters"] == schema
    assert payload["chat_template_kwargs"] == {"custom": None}
