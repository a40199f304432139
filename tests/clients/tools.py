"""A tool that tiny-chat was trained to call, and bodies that offer it, as the SDKs take them."""

from typing import Any

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string", "maxLength": 40}},
            "required": ["location"],
            "additionalProperties": False,
        },
    },
}
QUESTION: Any = {"role": "user", "content": "What's the weather in Tokyo?"}
RESULT = '{"temperature": 22, "conditions": "sunny"}'


def weather(**fields: Any) -> dict[str, Any]:
    """A greedy question to tiny-chat that needs the tool."""
    return {"model": "tiny-chat", "messages": [QUESTION], "tools": [WEATHER], "temperature": 0, **fields}


def follow_up(message: Any, *call_ids: str) -> list[Any]:
    """The conversation after the tool has answered each call."""
    results = [{"role": "tool", "tool_call_id": call_id, "content": RESULT} for call_id in call_ids]
    return [QUESTION, message, *results]
